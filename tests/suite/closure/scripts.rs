//! What is sent between two observations: a statement, a transaction, or a change of the schema.

use super::statements::{Statement, Way};
use super::world::{Flavour, Split, Trigger, World};
use crate::databases::Random;
use std::fmt;

/// How a transaction or savepoint ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Commit,
    RollBack,
    Drop,
}

impl End {
    fn random(random: &mut Random) -> Self {
        *random.pick(&[Self::Commit, Self::Commit, Self::Commit, Self::RollBack, Self::Drop])
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Run(Statement),
    /// A savepoint by the transaction's own means.
    Nested(Vec<Statement>, End),
    /// The tables are read by others, who must not see anything yet.
    Observe,
}

#[derive(Clone, Debug)]
pub enum Script {
    Single(Statement),
    Transaction(Vec<Step>, End),
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.sql, if self.way == Way::Raw { " -- as text" } else { "" })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Transaction(steps, end) = self else {
            return self.statements().iter().try_for_each(|statement| statement.fmt(f));
        };
        writeln!(f, "-- a transaction")?;
        for step in steps {
            match step {
                Step::Run(statement) => writeln!(f, "    {statement}")?,
                Step::Nested(statements, end) => {
                    writeln!(f, "    -- a savepoint")?;
                    statements.iter().try_for_each(|statement| writeln!(f, "        {statement}"))?;
                    writeln!(f, "    -- its end: {end:?}")?;
                }
                Step::Observe => writeln!(f, "    -- others read")?,
            }
        }
        write!(f, "-- its end: {end:?}")
    }
}

impl Script {
    /// Every statement of it.
    pub fn statements(&self) -> Vec<&Statement> {
        match self {
            Self::Single(statement) => vec![statement],
            Self::Transaction(steps, _) => steps
                .iter()
                .flat_map(|step| match step {
                    Step::Run(statement) => vec![statement],
                    Step::Nested(statements, _) => statements.iter().collect(),
                    Step::Observe => Vec::new(),
                })
                .collect(),
        }
    }
}

impl World {
    pub fn script(&mut self, random: &mut Random) -> Script {
        match random.below(20) {
            0 => self.schema_change(random),
            1..=4 => self.transaction(random),
            _ => Script::Single(self.statement(random)),
        }
    }

    fn transaction(&self, random: &mut Random) -> Script {
        let mut steps = Vec::new();
        let mut blocked = false;
        for _ in 0..=random.below(3) {
            let statement = self.statement(random);
            blocked |= statement.blocks;
            steps.push(Step::Run(statement));
            if !blocked && random.one_in(4) {
                steps.push(Step::Observe);
            }
        }
        if random.one_in(3) {
            let statements: Vec<_> = (0..=random.below(2)).map(|_| self.statement(random)).collect();
            steps.push(Step::Nested(statements, End::random(random)));
        } else if !self.is(Flavour::Sqlite) && random.one_in(3) {
            // In SQLite a savepoint as text may begin a transaction: the executor gives the session up.
            steps.push(Step::Run(Statement::raw("SAVEPOINT here".to_owned())));
            steps.push(Step::Run(self.statement(random)));
            let end = *random.pick(&["ROLLBACK TO SAVEPOINT here", "RELEASE SAVEPOINT here"]);
            steps.push(Step::Run(Statement::raw(end.to_owned())));
            steps.push(Step::Run(self.statement(random)));
        }
        Script::Transaction(steps, End::random(random))
    }

    fn schema_change(&mut self, random: &mut Random) -> Script {
        let all = |statements: Vec<String>| {
            let steps: Vec<_> = statements.into_iter().map(|sql| Step::Run(Statement::schema(sql))).collect();
            Script::Transaction(steps, End::Commit)
        };
        match random.below(8) {
            0 | 1 => match self.create_trigger(random) {
                statements if statements.is_empty() => Script::Single(self.statement(random)),
                statements => all(statements),
            },
            2 => match self.triggers.pop() {
                Some(Trigger { name, on, rule }) => {
                    let kind = if rule { "RULE" } else { "TRIGGER" };
                    let on = if self.is(Flavour::Postgres) { format!(" ON {on}") } else { String::new() };
                    Script::Single(Statement::schema(format!("DROP {kind} {name}{on}")))
                }
                None => Script::Single(self.statement(random)),
            },
            3 => self.other_view(random).map_or_else(|| Script::Single(self.statement(random)), all),
            7 if random.one_in(2) => self.other_shape(random).map_or_else(|| Script::Single(self.statement(random)), all),
            4 if !self.routines.is_empty() => {
                let routine = random.below(self.routines.len());
                let define = self.define(routine, random);
                Script::Single(Statement::schema(define))
            }
            5 if random.one_in(2) => self.other_shape(random).map_or_else(|| Script::Single(self.statement(random)), all),
            5 => self.swap(random).map_or_else(|| Script::Single(self.statement(random)), all),
            _ if self.is(Flavour::Postgres) => self.switch_trigger(random),
            _ => Script::Single(self.statement(random)),
        }
    }

    /// A view with the same columns and another query.
    fn other_view(&mut self, random: &mut Random) -> Option<Vec<String>> {
        let place = (0..self.views.len()).rev().find(|place| {
            let view = &self.views[*place];
            view.columns == 5 && !view.materialized && view.of.is_some()
        })?;
        let name = self.views[place].name.clone();
        let table = random.below(self.roots());
        let query = format!("SELECT id, a, b, n, c FROM {} WHERE id < {}", self.name(table), 5 + random.below(50));
        self.views[place].of = Some(table);
        self.views[place].query.clone_from(&query);
        Some(match self.flavour {
            Flavour::Sqlite => vec![format!("DROP VIEW {name}"), format!("CREATE VIEW {name} AS {query}")],
            _ => vec![format!("CREATE OR REPLACE VIEW {name} AS {query}")],
        })
    }

    /// Two tables take each other's names.
    fn swap(&mut self, random: &mut Random) -> Option<Vec<String>> {
        let simple: Vec<_> =
            (0..self.roots()).filter(|table| self.tables[*table].split.is_none() && !self.tables[*table].inherited).collect();
        if simple.is_empty() {
            return None;
        }
        let (one, two) = (*random.pick(&simple), *random.pick(&simple));
        if one == two {
            return None;
        }
        let (first, second) = (self.name(one).to_owned(), self.name(two).to_owned());
        self.tables[one].name.clone_from(&second);
        self.tables[two].name.clone_from(&first);
        for trigger in &mut self.triggers {
            if trigger.on == first {
                trigger.on.clone_from(&second);
            } else if trigger.on == second {
                trigger.on.clone_from(&first);
            }
        }
        Some(match self.flavour {
            Flavour::MariaDb => vec![format!("RENAME TABLE {first} TO aside, {second} TO {first}, aside TO {second}")],
            _ => vec![
                format!("ALTER TABLE {first} RENAME TO aside"),
                format!("ALTER TABLE {second} RENAME TO {first}"),
                format!("ALTER TABLE aside RENAME TO {second}"),
            ],
        })
    }

    /// Foreign keys come, partitions and children go and come back.
    fn other_shape(&mut self, random: &mut Random) -> Option<Vec<String>> {
        let parts: Vec<_> = (self.roots()..self.tables.len()).collect();
        if self.is(Flavour::Sqlite) {
            return None;
        }
        if parts.is_empty() || random.one_in(2) {
            let (from, to) = (random.below(self.roots()), random.below(self.roots()));
            let action = *random.pick(&["CASCADE", "SET NULL", "NO ACTION"]);
            let number = self.fresh();
            let (name, other) = (self.name(from).to_owned(), self.name(to).to_owned());
            self.tables[from].refers[0] = Some(to);
            return Some(vec![
                format!("UPDATE {name} SET a = NULL WHERE a NOT IN (SELECT id FROM {other})"),
                format!(
                    "ALTER TABLE {name} ADD CONSTRAINT fk{number} FOREIGN KEY (a) REFERENCES {other} (id) ON DELETE {action} ON UPDATE {action}"
                ),
            ]);
        }
        let part = *random.pick(&parts);
        let (name, parent) = (self.name(part).to_owned(), self.tables[part].parent?);
        let above = self.name(parent).to_owned();
        match self.tables[parent].split {
            None if random.one_in(2) => Some(vec![format!("ALTER TABLE {name} NO INHERIT {above}")]),
            None => Some(vec![format!("ALTER TABLE {name} INHERIT {above}")]),
            Some(Split::Hash) => {
                let (modulus, remainder) = (2, &name[name.len() - 1..]);
                Some(vec![
                    format!("ALTER TABLE {above} DETACH PARTITION {name}"),
                    format!("UPDATE {name} SET c = 'detached' WHERE id < 6"),
                    format!("ALTER TABLE {above} ATTACH PARTITION {name} FOR VALUES WITH (MODULUS {modulus}, REMAINDER {remainder})"),
                ])
            }
            // It stays apart.
            Some(_) => Some(vec![format!("ALTER TABLE {above} DETACH PARTITION {name}")]),
        }
    }

    fn switch_trigger(&mut self, random: &mut Random) -> Script {
        let triggers: Vec<_> = self.triggers.iter().filter(|trigger| !trigger.rule).collect();
        if triggers.is_empty() {
            return Script::Single(self.statement(random));
        }
        let trigger = random.pick(&triggers);
        if let Some(number) = trigger.name.strip_prefix("tr").filter(|_| random.one_in(2)) {
            // The trigger stays as it is, and does something else.
            let table = self.any_table(random);
            let body = format!("IF pg_trigger_depth() < 2 THEN {}; END IF; RETURN COALESCE(NEW, OLD);", self.block(table, "4", random));
            let function = format!("CREATE OR REPLACE FUNCTION tf{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$");
            return Script::Single(Statement::schema(function));
        }
        let how = *random.pick(&["ENABLE", "DISABLE", "ENABLE ALWAYS"]);
        Script::Single(Statement::schema(format!("ALTER TABLE {} {how} TRIGGER {}", trigger.on, trigger.name)))
    }
}
