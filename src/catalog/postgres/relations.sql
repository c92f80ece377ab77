-- The planner overestimates the recursion and would compile for a second what runs for ten milliseconds. Several statements in one message are one
-- transaction, so LOCAL ends with it.
SET LOCAL jit = off;
-- Every relation that a statement may name: schema, name, oid, how it reads, how far a write to it reaches; then perhaps one row that says that
-- operators, casts or domains call functions of which nothing is known.
WITH RECURSIVE
-- Functions that are not built in, graded by the harm they may do. 3: anything. What an extension brings in C is trusted to write no table of
-- its own accord: 2 volatile, 1 stable, 0 immutable.
user_function(oid, grade) AS (
    SELECT p.oid,
           CASE WHEN l.lanname NOT IN ('c', 'internal') OR NOT EXISTS (
                    SELECT FROM pg_catalog.pg_depend e
                    WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid AND e.deptype = 'e')
                THEN 3
                WHEN p.provolatile = 'v' THEN 2
                WHEN p.provolatile = 's' THEN 1
                ELSE 0
           END
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384
      -- A range type's constructors, which PostgreSQL makes out of functions of its own.
      AND NOT (l.lanname = 'internal' AND p.prosrc IN ('range_constructor2', 'range_constructor3', 'multirange_constructor0',
                                                       'multirange_constructor1', 'multirange_constructor2'))
),
-- What `install_change_notifications` puts on tables: it tells of a write and makes none. Compared to the letter.
notifying(oid) AS (
    SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.proname = 'sqlx_cached_notify' AND l.lanname = 'plpgsql' AND p.prosrc = $notify$BEGIN PERFORM pg_catalog.pg_notify('sqlx_cached', pg_catalog.json_build_object('schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME)::pg_catalog.text); RETURN NULL; END$notify$
),
-- Built-in functions leave no trace in pg_depend, so the stored expressions themselves are searched for them.
expression(classid, objid, tree) AS (
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid, r.ev_action::pg_catalog.text || r.ev_qual::pg_catalog.text
    FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, d.adbin::pg_catalog.text FROM pg_catalog.pg_attrdef d
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, k.conbin::pg_catalog.text
    FROM pg_catalog.pg_constraint k WHERE k.oid >= 16384 AND k.conbin IS NOT NULL
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, y.oid,
           coalesce(y.polqual::pg_catalog.text, '') || coalesce(y.polwithcheck::pg_catalog.text, '')
    FROM pg_catalog.pg_policy y
),
-- Volatile ones may run SQL that is in a string (query_to_xml). These don't, and the sequences that some of them change are never cached.
volatile_builtin(oid) AS (
    SELECT p.oid FROM pg_catalog.pg_proc p
    WHERE p.oid < 16384 AND p.provolatile = 'v'
      AND p.proname NOT IN ('nextval', 'currval', 'lastval', 'setval', 'random', 'random_normal', 'clock_timestamp', 'timeofday',
                            'gen_random_uuid', 'uuidv4', 'uuidv7', 'pg_sleep', 'pg_current_wal_lsn')
),
seed(classid, objid, grade) AS (
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, f.oid, f.grade FROM user_function f WHERE f.grade > 0
    UNION ALL
    SELECT x.classid, x.objid, 3 FROM expression x
    WHERE EXISTS (
        SELECT FROM pg_catalog.regexp_matches(x.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS m(found)
        JOIN volatile_builtin v ON v.oid = m.found[1]::pg_catalog.oid)
),
-- Whatever calls such a function, however indirectly: through an operator, a domain, an operator class, another view.
calls(classid, objid, grade) AS (
    SELECT s.classid, s.objid, s.grade FROM seed s
    UNION
    SELECT next.classid, next.objid, b.grade
    FROM calls b CROSS JOIN LATERAL (
        -- Through a view, or a table whose policies run when it is read, but not through plain tables: who depends on them runs nothing of theirs.
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
        WHERE d.refclassid = b.classid AND d.refobjid = b.objid
          AND (b.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass OR EXISTS (
                  SELECT FROM pg_catalog.pg_class c WHERE c.oid = b.objid AND (c.relkind = 'v' OR c.relrowsecurity)))
          -- A type's input and output in C, of which the binary ones are often declared stable.
          AND NOT (b.grade < 3 AND b.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class FROM pg_catalog.pg_rewrite r
        WHERE b.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = b.objid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, y.polrelid FROM pg_catalog.pg_policy y
        WHERE b.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND y.oid = b.objid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, a.adrelid FROM pg_catalog.pg_attrdef a
        WHERE b.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = b.objid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indrelid FROM pg_catalog.pg_index i
        WHERE b.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = b.objid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, k.conrelid FROM pg_catalog.pg_constraint k
        WHERE b.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = b.objid AND k.conrelid <> 0
        UNION ALL
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, k.contypid FROM pg_catalog.pg_constraint k
        WHERE b.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = b.objid AND k.contypid <> 0
        UNION ALL
        SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
        WHERE b.classid IN ('pg_catalog.pg_amop'::pg_catalog.regclass, 'pg_catalog.pg_amproc'::pg_catalog.regclass)
          AND d.classid = b.classid AND d.objid = b.objid
          AND d.refclassid IN ('pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_opfamily'::pg_catalog.regclass)
    ) AS next(classid, objid)
),
calling_relation(oid, grade) AS (
    SELECT b.objid, pg_catalog.max(b.grade) FROM calls b WHERE b.classid = 'pg_catalog.pg_class'::pg_catalog.regclass GROUP BY b.objid
),
named(oid, schema, name, kind, system, persistence, secured, child, parent, builtin_am, grade) AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, n.nspname IN ('pg_catalog', 'information_schema'), c.relpersistence, c.relrowsecurity,
           c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid),
           EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid),
           c.relam < 16384, coalesce(b.grade, 0)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN calling_relation b ON b.oid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_toast'
)
SELECT r.schema::pg_catalog.text, r.name::pg_catalog.text, r.oid::pg_catalog.text,
       -- An unlogged table is emptied by a crash, which is a write that nobody sees.
       CASE WHEN r.kind = 'r' AND r.persistence = 'p' AND r.builtin_am AND NOT (r.system OR r.secured OR r.child OR r.parent) THEN 'plain'
            WHEN r.grade > 0 AND (r.kind = 'v' OR r.secured) THEN 'hazard'
            ELSE 'opaque'
       END,
       CASE WHEN r.kind = 'r' AND r.grade < 3 AND NOT (r.system OR r.secured OR r.child OR r.parent)
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = r.oid AND NOT t.tgisinternal
                                   AND (t.tgqual IS NOT NULL OR t.tgfoid NOT IN (SELECT n.oid FROM notifying n)))
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = r.oid)
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                 WHERE k.confrelid = r.oid AND k.contype = 'f'
                                   AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')))
            THEN 'itself'
            ELSE 'unknown'
       END
FROM named r
UNION ALL
SELECT '', 'opaque operators', '0', '', ''
WHERE EXISTS (
    SELECT FROM calls b LEFT JOIN pg_catalog.pg_type t ON b.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = b.objid
    WHERE b.grade >= 2
      AND (b.classid IN ('pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass) OR t.typtype IN ('d', 'r')))
