//! `junto connections`: the connections of the configuration file.

mod test;

use std::io::Write;
use std::path::Path;

use junto_connector::Registry;

use crate::arguments::{ConnectionValues, ConnectionsAction, ConnectionsArguments};
use crate::configuration::{Configuration, Declared, Editor, Secrecy, alias, connections_of, find_for_writing};
use crate::failure::{Failure, Result};
use crate::listing;
use crate::terminal::note;

/// Runs the command.
pub(crate) async fn run(arguments: ConnectionsArguments) -> Result<()> {
    let registry = junto_connectors::registry();
    let config = arguments.config.as_deref();
    match arguments.action {
        ConnectionsAction::Add { alias, url, values } => add(config, &registry, &alias, url, &values),
        ConnectionsAction::List { json } => list(config, &registry, json),
        ConnectionsAction::Test { aliases, connections } => test::run(config, registry, &aliases, &connections).await,
        ConnectionsAction::Edit { alias, url, values, rename, unset } => {
            let change = Change { url, values: &values, rename, unset };
            edit(config, &registry, &alias, change)
        }
        ConnectionsAction::Remove { aliases } => remove(config, &registry, &aliases),
        ConnectionsAction::Import { file, replace } => import(config, &registry, &file, replace),
        ConnectionsAction::Export { aliases } => export(config, &registry, &aliases),
    }
}

fn editor(config: Option<&Path>) -> Result<Editor> {
    Editor::open(find_for_writing(config)?)
}

fn add(
    config: Option<&Path>,
    registry: &Registry,
    name: &str,
    url: Option<String>,
    values: &ConnectionValues,
) -> Result<()> {
    let mut editor = editor(config)?;
    let mut declared = Declared::new(alias(name)?);
    declared.id = Some(junto_types::ConnectionId::random());
    declared.url = url;
    apply(&mut declared, values)?;
    if editor.connections()?.iter().any(|other| other.alias == declared.alias) {
        return Err(Failure::user(format!("there is a connection @{name} already"))
            .hint(format!("`junto connections edit {name}` changes it")));
    }
    check(&declared, registry)?;
    editor.put(None, &declared);
    save(&editor, registry)?;
    note(&format!("added @{name} to {}", editor.path().display()));
    note(&format!("`junto connections test {name}` tries it"));
    Ok(())
}

fn list(config: Option<&Path>, registry: &Registry, json: bool) -> Result<()> {
    let configuration = Configuration::load(config)?;
    let mut rows = Vec::new();
    for declared in &configuration.connections {
        let mut row = Row { alias: declared.alias.to_string(), name: declared.name.clone(), ..Row::default() };
        match declared.config(registry) {
            Ok(config) => {
                let factory =
                    registry.by_driver(&config.driver).map_err(|error| Failure::source(&row.alias, &error))?;
                let default =
                    |name: &str| factory.options().iter().find(|spec| spec.name == name).and_then(|spec| spec.default);
                let told = config.options.public().filter(|(name, value)| default(name) != Some(*value));
                row.options = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                row.driver = Some(config.driver);
            }
            Err(failure) => row.problem = Some(failure.message().to_owned()),
        }
        rows.push(row);
    }
    if json {
        let text = serde_json::to_string_pretty(&rows).expect("texts are JSON");
        return writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::output(&error, "the list"));
    }
    match (&configuration.path, rows.is_empty()) {
        (Some(path), true) => note(&format!("no connections in {}", path.display())),
        (None, true) => note("no configuration file; `junto connections add ALIAS URL` makes one"),
        (_, false) => {
            return listing::print(
                ["alias", "name", "driver", "options", "problem"],
                &rows.iter().map(Row::cells).collect::<Vec<_>>(),
            );
        }
    }
    Ok(())
}

/// A line of the list.
#[derive(Debug, Default, serde::Serialize)]
struct Row {
    alias: String,
    name: Option<String>,
    driver: Option<String>,
    options: std::collections::BTreeMap<String, String>,
    problem: Option<String>,
}

impl Row {
    fn cells(&self) -> [Option<String>; 5] {
        let options: Vec<String> = self.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options = (!options.is_empty()).then(|| options.join(" "));
        [Some(self.alias.clone()), self.name.clone(), self.driver.clone(), options, self.problem.clone()]
    }
}

struct Change<'a> {
    url: Option<String>,
    values: &'a ConnectionValues,
    rename: Option<String>,
    unset: Vec<String>,
}

fn edit(config: Option<&Path>, registry: &Registry, name: &str, change: Change<'_>) -> Result<()> {
    let mut editor = editor(config)?;
    let before = editor.connection(name)?;
    let mut after = before.clone();
    if let Some(url) = change.url {
        after.url = Some(url);
        after.driver = None;
    }
    for option in &change.unset {
        let count = after.options.len();
        after.options.retain(|(known, _)| known != option);
        if after.options.len() == count {
            return Err(Failure::user(format!("@{name} has no option `{option}` to remove")));
        }
    }
    apply(&mut after, change.values)?;
    if let Some(new) = change.rename {
        after.alias = alias(&new)?;
        if after.alias != before.alias && editor.connections()?.iter().any(|other| other.alias == after.alias) {
            return Err(Failure::user(format!("there is a connection @{new} already")));
        }
    }
    check(&after, registry)?;
    editor.put(Some(&before), &after);
    save(&editor, registry)?;
    note(&format!("changed @{} in {}", after.alias, editor.path().display()));
    Ok(())
}

fn remove(config: Option<&Path>, registry: &Registry, names: &[String]) -> Result<()> {
    let mut editor = editor(config)?;
    for name in names {
        let found = editor.connection(name)?;
        editor.remove(&found);
    }
    save(&editor, registry)?;
    note(&format!("removed {} from {}", names.join(", "), editor.path().display()));
    Ok(())
}

fn import(config: Option<&Path>, registry: &Registry, file: &Path, replace: bool) -> Result<()> {
    let mut editor = editor(config)?;
    let present = editor.connections()?;
    let folder = std::path::absolute(file).ok().and_then(|path| path.parent().map(Path::to_owned));
    let imported = connections_of(file)?;
    for mut connection in imported.iter().cloned() {
        connection.folder.clone_from(&folder);
        let before = present.iter().find(|other| other.alias == connection.alias);
        if before.is_some() && !replace {
            return Err(Failure::user(format!(
                "there is a connection @{} already; nothing was imported",
                connection.alias
            ))
            .hint("`--replace` replaces connections that have the same alias"));
        }
        editor.put(before, &connection.with_absolute_paths(registry));
    }
    save(&editor, registry)?;
    let count = crate::query::counted(imported.len() as u64, "connection");
    note(&format!("imported {count} into {}", editor.path().display()));
    Ok(())
}

fn export(config: Option<&Path>, registry: &Registry, names: &[String]) -> Result<()> {
    let editor = editor(config)?;
    let chosen = match names {
        [] => editor.connections()?,
        names => names.iter().map(|name| editor.connection(name)).collect::<Result<_>>()?,
    };
    let mut exported = Editor::scratch();
    for connection in &chosen {
        exported.put(None, &connection.without_secrets(registry)?);
    }
    std::io::stdout().write_all(exported.text().as_bytes()).map_err(|error| Failure::output(&error, "the connections"))
}

fn apply(declared: &mut Declared, values: &ConnectionValues) -> Result<()> {
    if let Some(name) = &values.name {
        declared.name = Some(name.clone());
    }
    if let Some(driver) = &values.driver {
        declared.driver = Some(driver.clone());
    }
    for option in &values.options {
        let Some((name, value)) = option.split_once('=') else {
            return Err(Failure::user("`--option` takes NAME=VALUE"));
        };
        declared.options.retain(|(known, _)| known != name);
        declared.options.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// Refuses what could never connect. A variable that is not set here may be set where it is used.
fn check(declared: &Declared, registry: &Registry) -> Result<()> {
    match declared.config(registry) {
        Err(failure) if failure.message().contains("needs the environment variable") => {
            note(&format!("note: {}", failure.message()));
            Ok(())
        }
        other => other.map(drop),
    }
}

fn save(editor: &Editor, registry: &Registry) -> Result<()> {
    if editor.save(registry)? == Secrecy::InFile {
        note(&format!(
            "warning: {} holds a password in plain text; it is readable by you alone",
            editor.path().display()
        ));
        note("hint: write `${env:NAME}` in its place and set the variable NAME");
    }
    Ok(())
}
