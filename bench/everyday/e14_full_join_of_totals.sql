select coalesce(bought.nationkey, sold.nationkey) as nationkey, bought.customers, sold.suppliers
from (select c_nationkey as nationkey, count(*) as customers from customer where c_acctbal > 9990 group by c_nationkey) bought
full outer join (select s_nationkey as nationkey, count(*) as suppliers from supplier where s_acctbal > 9950 group by s_nationkey) sold
  on bought.nationkey = sold.nationkey
