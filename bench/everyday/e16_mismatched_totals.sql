select o.o_orderkey, o.o_totalprice, sum(l.l_extendedprice) as listed
from orders o
join lineitem l on l.l_orderkey = o.o_orderkey
where o.o_orderdate = date '1996-02-29'
group by o.o_orderkey, o.o_totalprice
having sum(l.l_extendedprice) > o.o_totalprice * 1.05
