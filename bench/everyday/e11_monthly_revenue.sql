select extract(year from o.o_orderdate) as order_year, extract(month from o.o_orderdate) as order_month, c.c_mktsegment, sum(l.l_extendedprice) as revenue
from orders o
join customer c on c.c_custkey = o.o_custkey
join lineitem l on l.l_orderkey = o.o_orderkey
where l.l_returnflag = 'R' and o.o_orderdate >= date '1995-01-01'
group by extract(year from o.o_orderdate), extract(month from o.o_orderdate), c.c_mktsegment
