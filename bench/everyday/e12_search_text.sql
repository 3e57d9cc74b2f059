select o.o_orderkey, o.o_orderdate, o.o_comment, s.s_name
from orders o
join lineitem l on l.l_orderkey = o.o_orderkey
join supplier s on s.s_suppkey = l.l_suppkey
where o.o_comment like '%special%deposits%' and o.o_orderdate >= date '1998-01-01' and l.l_quantity > 45
