select n_name, s_name, stock_value, place
from (select n.n_name, s.s_name, sum(ps.ps_supplycost * ps.ps_availqty) as stock_value,
             rank() over (partition by n.n_name order by sum(ps.ps_supplycost * ps.ps_availqty) desc) as place
      from supplier s
      join partsupp ps on ps.ps_suppkey = s.s_suppkey
      join nation n on n.n_nationkey = s.s_nationkey
      group by n.n_name, s.s_name) ranked
where place <= 3
