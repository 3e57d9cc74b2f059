-- Schemas the login may look into, without those of the system.
select n.nspname, obj_description(n.oid, 'pg_namespace')
from pg_namespace n
where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname not like 'pg\_temp\_%'
  and n.nspname not like 'pg\_toast\_temp\_%' and has_schema_privilege(n.oid, 'USAGE')
order by n.nspname
