select o.o_orderkey, o.o_orderstatus, c.c_name, l.l_linenumber, p.p_name
from orders o
join customer c on c.c_custkey = o.o_custkey
join lineitem l on l.l_orderkey = o.o_orderkey
join part p on p.p_partkey = l.l_partkey
where o.o_orderkey in (1, 7, 32, 33, 39, 64, 96, 130, 165, 197, 226, 34272, 51234)
