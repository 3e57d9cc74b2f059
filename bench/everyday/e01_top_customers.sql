select c.c_custkey, c.c_name, sum(l.l_extendedprice * (1 - l.l_discount)) as spent, count(distinct o.o_orderkey) as orders_placed
from customer c
join orders o on o.o_custkey = c.c_custkey
join lineitem l on l.l_orderkey = o.o_orderkey
where o.o_orderdate >= date '1998-06-01'
group by c.c_custkey, c.c_name
order by spent desc, c.c_custkey
limit 20
