-- What the server's ANALYZE found about the table $1.$2, as one JSON document.
with recursive target as (
  select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2
), tree as (
  select oid as leaf from target
  union all
  select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.leaf
)
select json_build_object(
  'rows', (select sum(l.reltuples) filter (where l.reltuples >= 0 and (l.reltuples > 0 or l.relpages > 0))
           from tree join pg_class l on l.oid = tree.leaf where l.relkind in ('r', 'm', 'f')),
  'bytes', (select sum(pg_relation_size(l.oid)) from tree join pg_class l on l.oid = tree.leaf
            where l.relkind in ('r', 'm')),
  'columns', (
    select json_agg(json_build_object(
        'name', s.attname,
        'oid', a.atttypid::int8,
        'null_fraction', s.null_frac,
        'width', s.avg_width,
        'distinct', s.n_distinct,
        'common', s.most_common_vals::text::text[],
        'frequencies', s.most_common_freqs,
        'histogram', s.histogram_bounds::text::text[]))
    from pg_stats s join pg_attribute a on a.attrelid = t.oid and a.attname = s.attname
    where s.schemaname = $1 and s.tablename = $2 and s.inherited = (t.relkind = 'p'))
)::text
from target t
