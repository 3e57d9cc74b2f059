-- One table in full, as one JSON document per table that answers to the name ($1 schema, $2 table): the exact match,
-- or else every match ignoring case.
with recursive exact as (
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'v', 'm', 'p', 'f')
), target as (
  select oid from exact
  union all
  select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where not exists (select 1 from exact) and lower(n.nspname) = lower($1) and lower(c.relname) = lower($2)
    and c.relkind in ('r', 'v', 'm', 'p', 'f')
), tree as (
  select oid, oid as leaf from target
  union all
  select t.oid, i.inhrelid from tree t join pg_inherits i on i.inhparent = t.leaf
)
select json_build_object(
  'schema', n.nspname,
  'table', c.relname,
  'kind', c.relkind,
  'is_partition', c.relispartition,
  'comment', obj_description(c.oid, 'pg_class'),
  'rows', (select sum(l.reltuples) filter (where l.reltuples >= 0 and (l.reltuples > 0 or l.relpages > 0))
           from tree t join pg_class l on l.oid = t.leaf where t.oid = c.oid and l.relkind in ('r', 'm', 'f')),
  'partitions', case when c.relkind = 'p' then
     (select json_agg(json_build_array(ln.nspname, l.relname) order by ln.nspname, l.relname)
      from tree t join pg_class l on l.oid = t.leaf join pg_namespace ln on ln.oid = l.relnamespace
      where t.oid = c.oid and l.relkind <> 'p') end,
  'columns', (
    select json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'oid', b.oid::int8,
        'modifier', b.modifier,
        'kind', b.kind,
        'element', b.element::int8,
        'element_kind', b.element_kind,
        'dimensions', a.attndims,
        'not_null', a.attnotnull and not members.may_differ
            and not exists (
              select 1 from pg_constraint k
              where k.conrelid = c.oid and k.contype = 'n' and not k.convalidated and a.attnum = any (k.conkey)),
        'comment', col_description(a.attrelid, a.attnum),
        'collation', case when a.attcollation not in (0, 100) then quote_ident(o.collname) end,
        'is_text', a.attcollation <> 0,
        'deterministic', coalesce((to_jsonb(o) ->> 'collisdeterministic')::boolean, true),
        'bytewise', case when a.attcollation = 100 then d.datcollate in ('C', 'POSIX')
            and coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c' else o.collname in ('C', 'POSIX') end
      ) order by a.attnum)
    from pg_attribute a
    cross join lateral (
      with recursive base(oid, modifier, depth) as (
        select a.atttypid, a.atttypmod, 0
        union all
        select y.typbasetype, y.typtypmod, depth + 1 from base join pg_type y on y.oid = base.oid where y.typtype = 'd'
      )
      select base.oid, base.modifier, y.typtype as kind, case when y.typcategory = 'A' then y.typelem end as element,
             e.typtype as element_kind
      from base join pg_type y on y.oid = base.oid left join pg_type e on y.typcategory = 'A' and e.oid = y.typelem
      order by depth desc limit 1
    ) b
    left join pg_collation o on o.oid = a.attcollation
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'indexes', (
    select json_agg(json_build_object(
        'name', x.relname,
        'unique', i.indisunique,
        'primary', i.indisprimary,
        'columns', (select json_agg(a.attname order by k.at)
                    from unnest(i.indkey::int2[]) with ordinality k(number, at)
                    left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
                    where k.at <= i.indnkeyatts)
      ) order by x.relname)
    from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
    where i.indrelid = c.oid and i.indisvalid and i.indpred is null and m.amname in ('btree', 'hash')),
  'foreign_keys', (
    select json_agg(json_build_object(
        'columns', (select json_agg(a.attname order by k.at) from unnest(f.conkey) with ordinality k(number, at)
                    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number),
        'schema', rn.nspname,
        'table', r.relname,
        'referenced', (select json_agg(a.attname order by k.at) from unnest(f.confkey) with ordinality k(number, at)
                       join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number)
      ) order by f.conname)
    from pg_constraint f join pg_class r on r.oid = f.confrelid join pg_namespace rn on rn.oid = r.relnamespace
    where f.conrelid = c.oid and f.contype = 'f')
)::text
from target join pg_class c on c.oid = target.oid join pg_namespace n on n.oid = c.relnamespace
-- Neither foreign tables nor children that inherit have to keep what is declared above them. Found out once, not per column.
cross join lateral (
  select exists (
    select 1 from tree t join pg_class l on l.oid = t.leaf
    where t.oid = c.oid and (l.relkind = 'f' or (l.oid <> c.oid and not l.relispartition))) as may_differ
  offset 0
) members
cross join (select * from pg_database where datname = current_database()) d
