-- Tables the login may read something of, of the schema $1 or of all; leaf partitions left out.
select n.nspname, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'),
  case when c.relkind = 'p' then
    (with recursive tree as (
       select c.oid as leaf
       union all
       select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.leaf)
     select sum(l.reltuples) filter (where l.reltuples > 0) from tree join pg_class l on l.oid = tree.leaf
     where l.relkind <> 'p')
  when c.relkind in ('r', 'm', 'f') and c.reltuples >= 0 and (c.reltuples > 0 or c.relpages > 0) then c.reltuples
  end::int8::text
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'p', 'f') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname not like 'pg\_temp\_%'
  and n.nspname not like 'pg\_toast\_temp\_%'
  and ($1::text is null or n.nspname = $1)
  and has_schema_privilege(n.oid, 'USAGE')
  and (has_table_privilege(c.oid, 'SELECT') or has_any_column_privilege(c.oid, 'SELECT'))
order by n.nspname, c.relname
