//! Random triggers, and PostgreSQL's rules.

use super::bodies::literal;
use super::world::{Flavour, Routine, RoutineKind, Trigger, World};
use crate::databases::Random;

const EVENTS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

impl World {
    /// The statements that create one more trigger or rule; none where the dice ask for something that the database can't have.
    pub fn create_trigger(&mut self, random: &mut Random) -> Vec<String> {
        match self.flavour {
            Flavour::Postgres if random.one_in(5) => self.rule(random),
            Flavour::Postgres => self.postgres_trigger(random),
            _ => self.plain_trigger(random),
        }
    }

    fn note(&mut self, name: &str, table: usize, rule: bool) {
        let on = self.name(table).to_owned();
        self.triggers.push(Trigger { name: name.to_owned(), on, rule });
    }

    /// MariaDB's and SQLite's, which hold their statements themselves.
    fn plain_trigger(&mut self, random: &mut Random) -> Vec<String> {
        let table = random.below(self.roots());
        let Some(target) = self.target(Some(table), random) else { return Vec::new() };
        let (name, event) = (format!("tr{}", self.fresh()), *random.pick(&EVENTS));
        let key = if event == "INSERT" || (event == "UPDATE" && random.one_in(2)) { "NEW.id" } else { "OLD.id" };
        let mut body = vec![self.block(target, key, random)];
        if let Some(second) = self.target(Some(table), random).filter(|_| random.one_in(4)) {
            body.push(self.block(second, key, random));
        }
        let time = *random.pick(&["BEFORE", "AFTER"]);
        let mut head = format!("CREATE TRIGGER {name} {time} {event}");
        if self.is(Flavour::Sqlite) {
            if event == "UPDATE" && random.one_in(3) {
                head.push_str(" OF n");
            }
            head = format!("{head} ON {}", self.name(table));
            if random.one_in(4) {
                head = format!("{head} WHEN {key} > 3");
            }
        } else {
            head = format!("{head} ON {} FOR EACH ROW", self.name(table));
            let callable =
                |routine: &&Routine| routine.kind == RoutineKind::Procedure && routine.lowest != usize::MAX && routine.lowest > table;
            if let Some(procedure) = self.routines.iter().rfind(callable) {
                body.push(format!("CALL {}({key})", procedure.name));
            }
            if time == "BEFORE" && event != "DELETE" && random.one_in(2) {
                body.push("SET NEW.c = 'by trigger'".to_owned());
            }
        }
        let create = format!("{head} BEGIN {}; END", body.join("; "));
        self.note(&name, table, false);
        vec![create]
    }

    fn rule(&mut self, random: &mut Random) -> Vec<String> {
        let table = random.below(self.roots());
        // Rules that lead back to themselves are an error: upwards only, and not through views, which may lead down again.
        if table + 1 == self.roots() {
            return Vec::new();
        }
        let target = table + 1 + random.below(self.roots() - table - 1);
        let (name, event) = (format!("ru{}", self.fresh()), *random.pick(&EVENTS));
        let key = if event == "INSERT" { "NEW.id" } else { "OLD.id" };
        let other = self.name(target);
        let action = match random.below(3) {
            0 => format!("UPDATE {other} SET n = COALESCE(n, 0) + 1 WHERE id = {key}"),
            1 => format!("DELETE FROM {other} WHERE id = {key} + 9 AND n > 5"),
            _ => format!("UPDATE {other} SET c = 'by rule' WHERE id = 3"),
        };
        let condition = if random.one_in(3) { format!(" WHERE {key} > 2") } else { String::new() };
        let create = format!("CREATE RULE {name} AS ON {event} TO {}{condition} DO ALSO {action}", self.name(table));
        self.note(&name, table, true);
        vec![create]
    }

    fn postgres_trigger(&mut self, random: &mut Random) -> Vec<String> {
        let (table, number) = (self.any_table(random), self.fresh());
        let (name, function) = (format!("tr{number}"), format!("tf{number}"));
        let constraint = random.one_in(6) && self.tables[table].split.is_none();
        let row = constraint || random.one_in(2);
        let first = if !row && random.one_in(8) { "TRUNCATE" } else { *random.pick(&EVENTS) };
        let second = if row && random.one_in(4) { " OR UPDATE" } else { "" };
        let event = if first == "UPDATE" { "UPDATE".to_owned() } else { format!("{first}{second}") };
        let key = match (row, first) {
            (false, _) => (random.below(10) + 1).to_string(),
            (true, "DELETE") => "OLD.id".to_owned(),
            (true, _) => "NEW.id".to_owned(),
        };
        let time = if constraint || (!row && random.one_in(2)) { "AFTER" } else { *random.pick(&["BEFORE", "AFTER"]) };
        let (mut action, transition) = self.trigger_body(&key, row, time, &event, random);
        if random.one_in(4) {
            let target = self.any_table(random);
            action = format!("{action}; {}", self.block(target, &key, random));
        }
        if constraint {
            // Deferred triggers fire at no depth: one that sets itself off must come to an end by what it does.
            let target = self.name(self.any_table(random));
            let todo = format!("WHERE id = {key} AND c IS DISTINCT FROM 'deferred'");
            action = format!("IF EXISTS (SELECT FROM {target} {todo}) THEN UPDATE {target} SET c = 'deferred' {todo}; END IF");
        }
        if row && time == "BEFORE" && first != "DELETE" && random.one_in(3) {
            action = format!("{action}; NEW.c := 'by trigger'");
        }
        if random.one_in(5) {
            // What violates a constraint is undone, and the statement goes on.
            action = format!("BEGIN {action}; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END");
        }
        let body = format!(
            "BEGIN IF pg_trigger_depth() < 3 THEN {action}; END IF; IF TG_LEVEL = 'STATEMENT' THEN RETURN NULL; END IF; \
             IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END"
        );
        let on = self.name(table).to_owned();
        let event = if event == "UPDATE" && transition.is_empty() && random.one_in(4) { "UPDATE OF n".to_owned() } else { event };
        let when = if row && random.one_in(5) { format!(" WHEN ({key} > 3)") } else { String::new() };
        let argument = literal(self.name(self.any_table(random)));
        let level = if row { "ROW" } else { "STATEMENT" };
        let kind = if constraint { "CONSTRAINT TRIGGER" } else { "TRIGGER" };
        let deferral = if constraint { " DEFERRABLE INITIALLY DEFERRED" } else { "" };
        let mut statements = vec![
            format!("CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"),
            format!(
                "CREATE {kind} {name} {time} {event} ON {on}{deferral}{transition} FOR EACH {level}{when} EXECUTE FUNCTION {function}({argument})"
            ),
        ];
        if random.one_in(8) {
            statements.push(format!("ALTER TABLE {on} DISABLE TRIGGER {name}"));
        }
        self.note(&name, table, false);
        statements
    }

    /// What a trigger does, and the transition table that it does it with.
    fn trigger_body(&self, key: &str, row: bool, time: &str, event: &str, random: &mut Random) -> (String, String) {
        let target = self.any_table(random);
        let functions: Vec<_> = self.routines.iter().filter(|routine| routine.kind == RoutineKind::Function).collect();
        let action = match random.below(6) {
            0 if self.dynamic => format!("EXECUTE {}", literal(&self.body(target, "2", random))),
            1 if self.dynamic => "EXECUTE format('UPDATE %I SET n = COALESCE(n, 0) + 1 WHERE id = 5', TG_ARGV[0])".to_owned(),
            2 if !functions.is_empty() => format!("PERFORM {}({key})", random.pick(&functions).name),
            3 if !row && time == "AFTER" && event == "INSERT" => {
                let action = format!("UPDATE {} SET n = added.n FROM added WHERE added.id = {0}.id", self.name(target));
                return (action, " REFERENCING NEW TABLE AS added".to_owned());
            }
            _ => self.block(target, key, random),
        };
        (action, String::new())
    }
}
