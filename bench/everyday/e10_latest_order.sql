select c_custkey, c_name, o_orderkey, o_orderdate, lines
from (select c.c_custkey, c.c_name, o.o_orderkey, o.o_orderdate, row_number() over (partition by c.c_custkey order by o.o_orderdate desc, o.o_orderkey desc) as newest
      from customer c join orders o on o.o_custkey = c.c_custkey
      where c.c_nationkey = 3 and c.c_acctbal > 9000) latest
join (select l_orderkey, count(*) as lines from lineitem group by l_orderkey) counted on l_orderkey = o_orderkey
where newest = 1
