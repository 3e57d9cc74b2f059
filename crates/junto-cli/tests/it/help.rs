//! Help texts: the grammar of the command line is a contract.

use crate::harness::Place;

#[test]
fn lists_the_commands() {
    let help = Place::empty().junto(&["--help"]).rows();
    assert_eq!(
        help,
        "\
One SQL statement over many databases

Usage: junto <COMMAND>

Commands:
  query        Run statements and print their rows
  explain      Show what a statement runs where, and the SQL each database gets
  schema       Show the schemas and tables of a connection, or the columns of a table
  connections  Add, list, test, edit, remove, import and export connections
  demo         Make demo databases and run first statements over them

Options:
  -h, --help     Print help
  -V, --version  Print version
"
    );
}

#[test]
fn query_has_the_options_of_the_contract() {
    let help = Place::empty().junto(&["query", "--help"]).rows();
    for option in [
        "-c, --connection <ALIAS=URL>",
        "-f, --file <FILE>",
        "--format <FORMAT>",
        "-o, --output <FILE>",
        "--limit <N>",
        "--timeout <TIME>",
        "--strategy <STRATEGY>",
        "--allow-write",
        "--memory-limit <SIZE>",
        "--on-error <ON_ERROR>",
        "--repeat <N>",
        "--timing",
    ] {
        assert!(help.contains(option), "{option} is missing in {help}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_the_users() {
    let place = Place::empty();
    assert!(place.junto(&["qeury"]).refused(1).contains("a similar subcommand exists: 'query'"));
    assert!(place.junto(&["query", "--formt", "csv", "x"]).refused(1).contains("--format"));
    assert!(place.junto(&["query", "--strategy", "pushdown", "x"]).refused(1).contains("did you mean `push_down`?"));
    assert!(place.junto(&["query", "--limit", "some", "x"]).refused(1).contains("write a number of rows or `none`"));
    assert!(place.junto(&["query", "-c", "nothing", "x"]).refused(1).contains("`-c` takes ALIAS=URL"));
}
