select c.c_mktsegment, count(*) as pairs, count(o.o_orderkey) as orders_placed, sum(o.o_totalprice) as total
from customer c
left join orders o on o.o_custkey = c.c_custkey and o.o_orderdate >= date '1998-01-01'
group by c.c_mktsegment
