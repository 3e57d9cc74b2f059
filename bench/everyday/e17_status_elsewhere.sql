select o.o_orderstatus, count(*) as orders
from orders o
where o.o_orderstatus in (select l.l_linestatus from lineitem l where l.l_quantity > 45)
group by o.o_orderstatus
