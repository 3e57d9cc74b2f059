select o.o_orderpriority, count(distinct o.o_custkey) as customers, count(distinct l.l_suppkey) as suppliers, count(distinct l.l_partkey) as parts
from orders o
join lineitem l on l.l_orderkey = o.o_orderkey
where o.o_orderdate >= date '1997-01-01' and o.o_orderdate < date '1997-04-01'
group by o.o_orderpriority
