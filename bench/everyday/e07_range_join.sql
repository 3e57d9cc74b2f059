select c.c_mktsegment, count(*) as pairs, min(s.s_acctbal) as lowest, max(c.c_acctbal) as highest
from customer c
join supplier s on c.c_acctbal between s.s_acctbal - 1 and s.s_acctbal + 1
where c.c_nationkey = 7
group by c.c_mktsegment
