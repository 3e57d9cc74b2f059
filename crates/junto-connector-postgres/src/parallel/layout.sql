-- Where the rows of the table $1.$2 lie, as one JSON document. Its tree are its partitions, or the tables that inherit it.
with recursive target as (
  select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2
), tree as (
  select oid as member from target
  union
  select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.member
), members as (
  select c.oid, c.relkind, a.amname from tree join pg_class c on c.oid = tree.member left join pg_am a on a.oid = c.relam
  where c.relkind <> 'p'
)
select json_build_object(
  'kind', t.relkind,
  'version', current_setting('server_version_num')::int,
  'tid_scans', current_setting('enable_tidscan')::boolean,
  'heap', (select coalesce(bool_and(relkind in ('r', 'm') and amname = 'heap'), true) from members),
  'readable', has_table_privilege(t.oid, 'SELECT'),
  'pages', (select json_agg(coalesce(pg_relation_size(oid), 0) / current_setting('block_size')::int)
            from members where relkind in ('r', 'm'))
)::text
from target t
