select n.n_name,
       sum(case when l.l_shipmode in ('MAIL', 'TRUCK') then l.l_quantity else 0 end) as by_road,
       sum(case when l.l_shipmode in ('SHIP', 'RAIL') then l.l_quantity else 0 end) as by_sea_or_rail,
       sum(case when l.l_shipmode not in ('MAIL', 'TRUCK', 'SHIP', 'RAIL') then l.l_quantity else 0 end) as otherwise
from lineitem l
join supplier s on s.s_suppkey = l.l_suppkey
join nation n on n.n_nationkey = s.s_nationkey
where l.l_receiptdate >= date '1998-01-01'
group by n.n_name
