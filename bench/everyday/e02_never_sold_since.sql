select p.p_brand, count(*) as parts
from part p
where p.p_size < 10
  and not exists (select 1 from lineitem l where l.l_partkey = p.p_partkey and l.l_shipdate >= date '1998-06-01')
group by p.p_brand
