-- The schema's fingerprint. Compiling the query would take longer than running it; LOCAL ends with the message, which is one transaction.
SET LOCAL jit = off;
WITH RECURSIVE
-- Other sessions' temporary objects come and go, and mean nothing to us.
passing_namespace(oid) AS MATERIALIZED (
    SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname ~ '^pg_(toast_)?temp_'
),
passing(oid) AS MATERIALIZED (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relpersistence = 't'
),
-- Those whose rights matter: who asks, whose views and functions are asked, and the roles that they are members of. Elsewhere roles come and go.
concerned(oid) AS (
    SELECT who.oid
    FROM (
        SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname IN (current_user, session_user)
        UNION
        SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid >= 16384
        UNION
        SELECT f.proowner FROM pg_catalog.pg_proc f WHERE f.oid >= 16384
    ) AS who(oid)
    UNION
    SELECT m.roleid FROM concerned c JOIN pg_catalog.pg_auth_members m ON m.member = c.oid
),
-- Rows whose xmin changes with DDL and with nothing else. What is built in (below 16384) never changes.
object(row) AS (
    SELECT pg_catalog.concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.xmin) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid >= 16384 AND a.attnum > 0 AND a.attrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'default', d.oid, d.xmin) FROM pg_catalog.pg_attrdef d WHERE d.adrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'constraint', k.oid, k.xmin) FROM pg_catalog.pg_constraint k
    WHERE k.oid >= 16384 AND k.conrelid NOT IN (SELECT oid FROM passing) AND k.connamespace NOT IN (SELECT oid FROM passing_namespace)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'trigger', t.oid, t.xmin) FROM pg_catalog.pg_trigger t WHERE t.tgrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'rule', r.oid, r.xmin) FROM pg_catalog.pg_rewrite r
    WHERE r.oid >= 16384 AND r.ev_class NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'policy', y.oid, y.xmin) FROM pg_catalog.pg_policy y WHERE y.polrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'inherits', h.inhrelid, h.inhparent, h.xmin) FROM pg_catalog.pg_inherits h
    WHERE h.inhrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'partitioned', p.partrelid, p.xmin) FROM pg_catalog.pg_partitioned_table p
    WHERE p.partrelid NOT IN (SELECT oid FROM passing)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'foreign', f.ftrelid, f.xmin) FROM pg_catalog.pg_foreign_table f
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'function', f.oid, f.xmin) FROM pg_catalog.pg_proc f
    WHERE f.oid >= 16384 AND f.pronamespace NOT IN (SELECT oid FROM passing_namespace)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'aggregate', f.aggfnoid::pg_catalog.oid, f.xmin) FROM pg_catalog.pg_aggregate f
    WHERE f.aggfnoid::pg_catalog.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'type', t.oid, t.xmin) FROM pg_catalog.pg_type t
    WHERE t.oid >= 16384 AND t.typnamespace NOT IN (SELECT oid FROM passing_namespace)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'label', e.oid, e.xmin) FROM pg_catalog.pg_enum e
    WHERE e.enumtypid NOT IN (SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typnamespace IN (SELECT oid FROM passing_namespace))
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'operator', o.oid, o.xmin) FROM pg_catalog.pg_operator o WHERE o.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'operator class', o.oid, o.xmin) FROM pg_catalog.pg_opclass o WHERE o.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'operator of a family', o.oid, o.xmin) FROM pg_catalog.pg_amop o WHERE o.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'function of a family', o.oid, o.xmin) FROM pg_catalog.pg_amproc o WHERE o.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'cast', c.oid, c.xmin) FROM pg_catalog.pg_cast c WHERE c.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'collation', c.oid, c.xmin) FROM pg_catalog.pg_collation c WHERE c.oid >= 16384
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'language', l.oid, l.xmin) FROM pg_catalog.pg_language l
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'extension', x.oid, x.xmin) FROM pg_catalog.pg_extension x
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'event trigger', e.oid, e.xmin) FROM pg_catalog.pg_event_trigger e
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'namespace', n.oid, n.xmin) FROM pg_catalog.pg_namespace n
    WHERE n.oid NOT IN (SELECT oid FROM passing_namespace)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'member', m.roleid, m.member, m.xmin) FROM pg_catalog.pg_auth_members m WHERE m.member IN (SELECT oid FROM concerned)
    UNION ALL
    SELECT pg_catalog.concat_ws(' ', 'settings', s.setdatabase, s.setrole, s.xmin) FROM pg_catalog.pg_db_role_setting s
    WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
      AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user))
    UNION ALL
    -- TRUNCATE, VACUUM FULL, CLUSTER and REINDEX write these rows too, so it is their contents that count.
    SELECT pg_catalog.concat_ws(' ', 'relation', c.oid, c.relnamespace, c.relowner, c.relkind, c.relam, c.relnatts, c.relpersistence, c.relispartition,
                                c.relrowsecurity, c.relforcerowsecurity, c.relname, c.relacl, c.reloptions)
    FROM pg_catalog.pg_class c
    WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind <> 't'
    UNION ALL
    -- Row-level security asks these. Who wrote them is hidden, as is the table of roles itself.
    SELECT pg_catalog.concat_ws(' ', 'role', r.oid, r.rolsuper, r.rolinherit, r.rolbypassrls) FROM pg_catalog.pg_roles r
    WHERE r.oid IN (SELECT oid FROM concerned)
)
SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(o.row, 0))) FROM object o;
