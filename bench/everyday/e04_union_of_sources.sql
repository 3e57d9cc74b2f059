select kind, n_name, parties, balance
from (select 'customer' as kind, c_nationkey as nationkey, count(*) as parties, sum(c_acctbal) as balance from customer where c_acctbal < 0 group by c_nationkey
      union all
      select 'supplier' as kind, s_nationkey as nationkey, count(*) as parties, sum(s_acctbal) as balance from supplier where s_acctbal < 0 group by s_nationkey) parties
join nation on n_nationkey = nationkey
