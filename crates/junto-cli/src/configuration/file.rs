//! Reads `junto.toml`. Unknown keys are refused, with their place in the file and the nearest known key.

use std::fs;
use std::path::Path;

use junto_connector::Prefer;
use junto_types::{ConnectionId, Span, nearest};
use toml_edit::{Document, Item, TableLike, Value};

use super::{Configuration, Declared, alias, multiquery};
use crate::failure::{Failure, Result};

/// Keys of a connection besides the options of its driver.
pub(super) const CONNECTION_KEYS: [&str; 6] = ["url", "driver", "name", "id", "prefer", "max_connections"];
const SECTIONS: [&str; 2] = ["multiquery", "connections"];

/// Reads and checks a file.
pub(super) fn read(path: &Path) -> Result<Configuration> {
    let text =
        fs::read_to_string(path).map_err(|error| Failure::file(&error, format!("cannot read {}", path.display())))?;
    parse(&text, path)
}

/// Reads the text of a file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Configuration> {
    let file = File { text, name: path.display().to_string() };
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().trim().replace('\n', ", ");
        file.failure(message, error.span())
    })?;
    let mut configuration = Configuration::default();
    for (key, item) in document.as_table() {
        match (key, item.as_table_like()) {
            ("multiquery", Some(table)) => file.multiquery(table, &mut configuration)?,
            ("connections", Some(table)) => {
                for (name, item) in table.iter() {
                    let connection = file.connection(name, item, path)?;
                    if configuration.connections.iter().any(|other| other.alias == connection.alias) {
                        let message = format!("two connections are called `{name}`; case does not matter");
                        return Err(file.failure(message, item.span()));
                    }
                    configuration.connections.push(connection);
                }
            }
            _ if SECTIONS.contains(&key) => return Err(file.failure(format!("`{key}` is a section"), item.span())),
            _ => {
                let place = document.as_table().key(key).and_then(toml_edit::Key::span);
                return Err(file.unknown_key(key, &SECTIONS, place));
            }
        }
    }
    Ok(configuration)
}

/// The text being read, for messages.
struct File<'a> {
    text: &'a str,
    name: String,
}

impl File<'_> {
    fn multiquery(&self, table: &dyn TableLike, configuration: &mut Configuration) -> Result<()> {
        for (key, item) in table.iter() {
            let place = table.key(key).and_then(toml_edit::Key::span);
            let text = plain_text(item)
                .ok_or_else(|| self.failure(format!("`multiquery.{key}` is one value"), item.span()))?;
            multiquery::set(&mut configuration.multiquery, key, &text).map_err(|(message, hint)| {
                let place = if hint.is_some() { place } else { item.span() };
                let failure = self.failure(message, place);
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })?;
        }
        Ok(())
    }

    fn connection(&self, name: &str, item: &Item, path: &Path) -> Result<Declared> {
        let Some(table) = item.as_table_like() else {
            return Err(self.failure(format!("`connections.{name}` is a section"), item.span()));
        };
        let mut declared = Declared { folder: Declared::folder_of(path), ..Declared::new(alias(name)?) };
        for (key, item) in table.iter() {
            let place = || item.span().or_else(|| table.key(key).and_then(toml_edit::Key::span));
            let wrong = |reason: &str| self.failure(format!("`connections.{name}.{key}` {reason}"), place());
            if !CONNECTION_KEYS.contains(&key) {
                options(key, item, &mut declared.options).map_err(|()| wrong("is one text, number or boolean"))?;
                continue;
            }
            let text = plain_text(item).ok_or_else(|| wrong("is one value"))?;
            match key {
                "url" => declared.url = Some(text),
                "driver" => declared.driver = Some(text),
                "name" => declared.name = Some(text),
                "id" => {
                    let id = text.parse().map_err(|_| wrong("is a UUID"))?;
                    declared.id = Some(ConnectionId(id));
                }
                "prefer" => {
                    declared.prefer = match text.as_str() {
                        "fastest" => Prefer::Fastest,
                        "least_data" => Prefer::LeastData,
                        _ => return Err(wrong("is `fastest` or `least_data`")),
                    }
                }
                _ => {
                    let number = text.parse().ok().filter(|number| *number > 0);
                    declared.max_connections = Some(number.ok_or_else(|| wrong("is a whole number above 0"))?);
                }
            }
        }
        Ok(declared)
    }

    fn unknown_key(&self, key: &str, known: &[&str], place: Option<std::ops::Range<usize>>) -> Failure {
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        self.failure(format!("unknown key `{key}`"), place).hint(hint)
    }

    fn failure(&self, message: String, place: Option<std::ops::Range<usize>>) -> Failure {
        match place {
            Some(place) => Failure::user(message).at(Some(&self.name), self.text, Span::new(place.start, place.end)),
            None => Failure::user(format!("{}: {message}", self.name)),
        }
    }
}

/// Options under `key`; a table gives dotted names (`type.orders.note`).
fn options(key: &str, item: &Item, found: &mut Vec<(String, String)>) -> Result<(), ()> {
    match item.as_table_like() {
        Some(table) => table.iter().try_for_each(|(inner, item)| options(&format!("{key}.{inner}"), item, found)),
        None => {
            found.push((key.to_owned(), plain_text(item).ok_or(())?));
            Ok(())
        }
    }
}

/// A value as text; the members of a list joined by commas.
fn plain_text(item: &Item) -> Option<String> {
    fn text(value: &Value) -> Option<String> {
        Some(match value {
            Value::String(text) => text.value().clone(),
            Value::Integer(number) => number.value().to_string(),
            Value::Float(number) => number.value().to_string(),
            Value::Boolean(value) => value.value().to_string(),
            Value::Array(array) => array.iter().map(text).collect::<Option<Vec<_>>>()?.join(","),
            Value::Datetime(_) | Value::InlineTable(_) => return None,
        })
    }
    text(item.as_value()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text, Path::new("conf/junto.toml")).expect_err("refused").report(false)
    }

    #[test]
    fn reads_sections_and_connections() {
        let text = "
            [multiquery]
            timeout = '5s'
            allowed_operations = ['SELECT', 'INSERT']
            [connections.shop]
            url = 'sqlite:shop.db'
            type.orders.note = 'text'
            [connections.\"my conn\"]
            driver = 'postgres'
            host = 'db'
            port = 5433
            prefer = 'least_data'
        ";
        let read = parse(text, Path::new("conf/junto.toml")).expect("a good file");
        assert_eq!(read.multiquery.timeout.as_secs(), 5);
        assert_eq!(read.multiquery.allowed_operations, ["SELECT", "INSERT"]);
        let [shop, other] = read.connections.as_slice() else { panic!("two connections") };
        assert_eq!(shop.url.as_deref(), Some("sqlite:shop.db"));
        assert_eq!(shop.options, [("type.orders.note".into(), "text".into())]);
        assert_eq!(shop.folder.as_deref(), Some(Path::new("conf")));
        assert_eq!(other.alias.as_str(), "my conn");
        assert_eq!(other.options, [("host".into(), "db".into()), ("port".into(), "5433".into())]);
        assert_eq!(other.prefer, Prefer::LeastData);
    }

    #[test]
    fn says_where_a_key_is_wrong() {
        assert_eq!(
            refused("[multiquery]\ntimeuot = '5s'\n"),
            "error: unknown key `multiquery.timeuot`\n --> conf/junto.toml:2:1\n  |\n2 | timeuot = '5s'\n  | ^^^^^^^\nhint: did you mean `timeout`?\n"
        );
        assert!(refused("[conections.a]\nurl = 'x'").contains("did you mean `connections`?"));
        assert!(refused("[connections.a]\nid = 'x'").contains("`connections.a.id` is a UUID"));
        assert!(refused("[connections.a]\n[connections.A]\n").contains("two connections are called `A`"));
        assert!(refused("[multiquery\n").contains("--> conf/junto.toml:1:"));
    }
}
