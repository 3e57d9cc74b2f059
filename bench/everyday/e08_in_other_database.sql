select o_orderpriority, count(*) as orders_placed, sum(o_totalprice) as total
from orders
where o_orderkey in (select l_orderkey from lineitem where l_shipmode = 'AIR' and l_shipdate >= date '1998-10-01')
group by o_orderpriority
