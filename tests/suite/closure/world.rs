//! The harness's picture of a random schema: enough to write statements that mostly succeed, and to know what there is to read.

use crate::databases::Random;

/// How a database writes what the harness needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Postgres,
    MariaDb,
    Sqlite,
}

/// How a table's rows are spread over partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// By `id`: below [`MIDDLE`], and from there on.
    Range,
    /// By `id`.
    Hash,
    /// By `n`, so that many an update moves its row.
    List,
}

/// Where ranges meet.
pub const MIDDLE: i64 = 8;

/// Rows that each table begins with, their ids counted from 1.
pub const ROWS: i64 = 10;

/// What holds rows: a table, a partition, a child by inheritance. All have the columns `id, a, b, n, c`.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// Whether `id` is a primary key.
    pub keyed: bool,
    /// The table whose partition or child it is.
    pub parent: Option<usize>,
    pub split: Option<Split>,
    /// Whether it has inheritance children, which a read of it includes.
    pub inherited: bool,
    /// What stands after the columns: MariaDB's engine.
    pub engine: &'static str,
    /// The tables whose ids `a` and `b` hold.
    pub refers: [Option<usize>; 2],
    pub columns: usize,
}

#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub columns: usize,
    /// A write to it makes sense to the database: by itself, or by a trigger or rule in its place.
    pub writable: bool,
    pub materialized: bool,
    /// What CREATE VIEW said, to be said again or otherwise.
    pub query: String,
    /// The table that it shows, where it shows one.
    pub of: Option<usize>,
}

impl View {
    /// Whether it calls a function that writes.
    pub fn writes_when_read(&self) -> bool {
        self.query.contains(", f")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineKind {
    Function,
    Procedure,
    /// A function that only reads.
    Reader,
}

#[derive(Clone, Debug)]
pub struct Routine {
    pub name: String,
    pub kind: RoutineKind,
    /// The lowest table that it writes: a MariaDB trigger may call it if that lies above its own.
    pub lowest: usize,
}

/// A trigger or rule, for those who drop it.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub name: String,
    pub on: String,
    pub rule: bool,
}

/// A read of the set that is repeated after each write.
#[derive(Clone, Debug)]
pub struct Read {
    pub sql: String,
    /// The table whose rows it shows, and nothing else.
    pub table: Option<usize>,
    /// What holds rows of its own, so that a change of the answer is a change of this relation.
    pub relation: Option<String>,
}

#[derive(Debug)]
pub struct World {
    pub flavour: Flavour,
    pub tables: Vec<Table>,
    pub views: Vec<View>,
    pub routines: Vec<Routine>,
    pub triggers: Vec<Trigger>,
    /// The ids that each table holds, as last seen.
    pub ids: Vec<Vec<i64>>,
    /// Reads of more than one relation.
    pub joins: Vec<String>,
    /// Whether bodies may have SQL in strings.
    pub dynamic: bool,
    /// Whether most tables stand by themselves, so that a write reaches no further and much is kept.
    pub light: bool,
    fresh: usize,
}

impl World {
    /// A random schema, and the statements that create it.
    pub fn random(flavour: Flavour, random: &mut Random) -> (Self, Vec<String>) {
        let mut world = Self {
            flavour,
            tables: Vec::new(),
            views: Vec::new(),
            routines: Vec::new(),
            triggers: Vec::new(),
            ids: Vec::new(),
            joins: Vec::new(),
            dynamic: random.one_in(4),
            light: random.one_in(3),
            fresh: 0,
        };
        let mut statements = world.create_tables(random);
        statements.extend(world.create_views(random));
        statements.extend(world.create_routines(random));
        let triggers = if world.light { random.below(3) } else { 3 + random.below(6) };
        for _ in 0..triggers {
            statements.extend(world.create_trigger(random));
        }
        world.ids = vec![(1..=ROWS).collect(); world.tables.len()];
        for _ in 0..4 {
            let join = world.join(random);
            // Read twice in a row, the second would say nothing.
            if !world.joins.contains(&join) {
                world.joins.push(join);
            }
        }
        (world, statements)
    }

    pub fn is(&self, flavour: Flavour) -> bool {
        self.flavour == flavour
    }

    /// A number that no name has yet.
    pub fn fresh(&mut self) -> usize {
        self.fresh += 1;
        self.fresh
    }

    /// Tables that are no part of another.
    pub fn roots(&self) -> usize {
        self.tables.iter().take_while(|table| table.parent.is_none()).count()
    }

    /// Any table, partition or child, mostly a whole one.
    pub fn any_table(&self, random: &mut Random) -> usize {
        if random.one_in(4) { random.below(self.tables.len()) } else { random.below(self.roots()) }
    }

    pub fn name(&self, table: usize) -> &str {
        &self.tables[table].name
    }

    /// An id that the table has, if it has any.
    pub fn id_of(&self, table: usize, random: &mut Random) -> i64 {
        match &self.ids[table] {
            ids if ids.is_empty() || random.one_in(12) => i64::try_from(random.below(40)).expect("a small number"),
            ids => *random.pick(ids),
        }
    }

    /// An id that the table doesn't have, so that it can be inserted; also where only a part is asked for.
    pub fn free_id(&self, table: usize, random: &mut Random) -> i64 {
        let root = self.tables[table].parent.unwrap_or(table);
        if random.one_in(12) {
            return self.id_of(table, random);
        }
        loop {
            let id = i64::try_from(random.below(60) + 1).expect("a small number");
            let suits = match self.tables[table].parent.and_then(|parent| self.tables[parent].split) {
                Some(Split::Range) => (id < MIDDLE) == self.tables[table].name.ends_with("_p0"),
                _ => true,
            };
            // Where every number is taken, the statement will be refused.
            if suits && (!self.ids[root].contains(&id) && !self.ids[table].contains(&id) || random.one_in(30)) {
                return id;
            }
        }
    }

    /// All that is read after each write.
    pub fn reads(&self) -> Vec<Read> {
        let order = |columns: usize| (1..=columns).map(|column| column.to_string()).collect::<Vec<_>>().join(", ");
        let tables = self.tables.iter().enumerate().map(|(index, table)| Read {
            sql: format!("SELECT * FROM {} ORDER BY {}", table.name, order(table.columns)),
            table: Some(index),
            relation: Some(table.name.clone()),
        });
        let views = self.views.iter().filter(|view| !view.writes_when_read()).map(|view| Read {
            sql: format!("SELECT * FROM {} ORDER BY {}", view.name, order(view.columns)),
            table: None,
            relation: view.materialized.then(|| view.name.clone()),
        });
        let joins = self.joins.iter().map(|sql| Read { sql: sql.clone(), table: None, relation: None });
        tables.chain(views).chain(joins).collect()
    }

    /// A read of several relations.
    fn join(&self, random: &mut Random) -> String {
        let (one, two) = (self.any_relation(random), self.any_relation(random));
        let readers: Vec<_> = self.routines.iter().filter(|routine| routine.kind == RoutineKind::Reader).collect();
        match random.below(6) {
            0 => format!("SELECT x.id, x.c, y.n FROM {one} x JOIN {two} y ON y.id = x.a ORDER BY 1, 2, 3"),
            1 => format!("SELECT x.id, (SELECT COUNT(*) FROM {two} y WHERE y.b = x.id) AS many FROM {one} x ORDER BY 1, 2"),
            2 => format!("SELECT COUNT(*) FROM {one}"),
            3 => format!("SELECT id, n FROM {one} UNION ALL SELECT id, n FROM {two} ORDER BY 1, 2"),
            4 if !readers.is_empty() => {
                format!("SELECT id, {}(id) AS read_by_function FROM {one} ORDER BY 1, 2", random.pick(&readers).name)
            }
            4 if self.is(Flavour::Postgres) => format!("SELECT id, n FROM ONLY {} ORDER BY 1, 2", self.name(random.below(self.roots()))),
            _ => format!(
                "WITH w AS (SELECT id, n FROM {one} WHERE n < 30) SELECT id, c FROM {two} WHERE id IN (SELECT id FROM w) ORDER BY 1, 2"
            ),
        }
    }

    /// Anything that has the columns `id, a, b, n, c`.
    pub fn any_relation(&self, random: &mut Random) -> String {
        let views: Vec<_> = self.views.iter().filter(|view| view.columns == 5).collect();
        if !views.is_empty() && random.one_in(3) {
            return random.pick(&views).name.clone();
        }
        self.name(self.any_table(random)).to_owned()
    }
}
