-- The planner overestimates the recursion and would compile for a second what runs for ten milliseconds. Several statements in one message are one
-- transaction, so LOCAL ends with it.
SET LOCAL jit = off;
-- Every relation that a statement may name: schema, name, oid, how it reads, how far a write to it reaches; then rows without a schema: the functions
-- with a readable body that a relation's own expressions call (its oid, the function's name), those that operators, casts and domains call,
-- and perhaps one that says that some of these call functions of which nothing is known.
WITH RECURSIVE
-- Functions that are not built in, graded by the harm they may do. 3: anything. What an extension brings in C is trusted to write no table of
-- its own accord: 2 volatile, 1 stable, 0 immutable. Whatever has a readable body is followed by itself.
user_function(oid, source, grade) AS (
    SELECT p.oid,
           CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN p.oid ELSE 0::pg_catalog.oid END,
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
seed(classid, objid, grade, source) AS (
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, f.oid, f.grade, f.source FROM user_function f WHERE f.grade > 0
    UNION ALL
    SELECT x.classid, x.objid, 3, 0::pg_catalog.oid FROM expression x
    WHERE EXISTS (
        SELECT FROM pg_catalog.regexp_matches(x.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS m(found)
        JOIN volatile_builtin v ON v.oid = m.found[1]::pg_catalog.oid)
),
-- Whatever calls such a function, however indirectly: through an operator, a domain, an operator class, another view.
calls(classid, objid, grade, source) AS (
    SELECT s.classid, s.objid, s.grade, s.source FROM seed s
    UNION
    SELECT next.classid, next.objid, b.grade, b.source
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
    SELECT b.objid, pg_catalog.max(b.grade) FROM calls b
    WHERE b.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND b.source = 0 GROUP BY b.objid
),
named(oid, schema, name, kind, system, persistence, secured, builtin_am, grade) AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, n.nspname IN ('pg_catalog', 'information_schema'), c.relpersistence, c.relrowsecurity,
           c.relam < 16384, coalesce(b.grade, 0)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN calling_relation b ON b.oid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_toast'
)
SELECT r.schema::pg_catalog.text, r.name::pg_catalog.text, r.oid::pg_catalog.text,
       -- An unlogged table is emptied by a crash, which is a write that nobody sees.
       CASE WHEN r.system AND r.grade > 0 AND r.kind = 'v' THEN 'hazard'
            WHEN r.system THEN 'opaque'
            WHEN r.kind = 'v' THEN 'view'
            WHEN NOT (r.kind IN ('r', 'p', 'm') AND r.persistence = 'p' AND r.builtin_am) THEN CASE WHEN r.secured AND r.grade > 0 THEN 'hazard' ELSE 'opaque' END
            WHEN r.secured THEN 'secured'
            ELSE 'plain'
       END,
       CASE WHEN r.kind IN ('r', 'p', 'm', 'v') AND r.grade < 3 AND NOT r.system THEN 'itself' ELSE 'unknown' END
FROM named r
UNION ALL
SELECT DISTINCT '', 'relation calls', b.objid::pg_catalog.text, p.proname::pg_catalog.text, ''
FROM calls b JOIN pg_catalog.pg_proc p ON p.oid = b.source
-- What a view calls its query tells, but for its defaults.
JOIN pg_catalog.pg_class c ON c.oid = b.objid AND (c.relkind <> 'v' OR EXISTS (SELECT FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid))
WHERE b.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
UNION ALL
SELECT DISTINCT '', CASE b.source WHEN 0 THEN 'opaque operators' ELSE 'operators call' END, '0', coalesce(p.proname::pg_catalog.text, ''), ''
FROM calls b
LEFT JOIN pg_catalog.pg_type t ON b.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = b.objid
LEFT JOIN pg_catalog.pg_proc p ON p.oid = b.source
WHERE b.grade >= 2
  AND (b.classid IN ('pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass) OR t.typtype IN ('d', 'r'))
