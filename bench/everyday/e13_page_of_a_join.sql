select l.l_orderkey, l.l_linenumber, p.p_name, l.l_quantity, l.l_shipdate
from lineitem l
join part p on p.p_partkey = l.l_partkey
where l.l_shipdate = date '1998-08-02'
order by l.l_orderkey, l.l_linenumber
limit 50 offset 200
