//! Hostile paths, damaged files, values that do not fit.

use std::fs;
use std::time::{Duration, Instant};

use futures::StreamExt;
use junto_connector::{Error, StatementContext};

use crate::support::{Folder, collect, connect, refused, request, rows, scan};

#[tokio::test]
async fn what_is_no_folder_is_refused() {
    assert!(matches!(connect("files:/no/such/folder").await, Err(Error::FileNotFound { .. })));
    let folder = Folder::new();
    folder.write("a.csv", "id\n1\n");
    let path = folder.path().join("a.csv");
    assert!(matches!(connect(&format!("files:{}", path.display())).await, Err(Error::WrongFileType { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_the_folder_is_read() {
    use std::os::unix::fs::symlink;
    let outside = Folder::new();
    outside.write("secret.csv", "id\n42\n");
    outside.write("more/secret.csv", "id\n42\n");
    let folder = Folder::new();
    folder.write("sales/ok.csv", "id\n1\n");
    symlink(outside.path().join("secret.csv"), folder.path().join("link.csv")).expect("a link");
    symlink(outside.path().join("secret.csv"), folder.path().join("sales/link.csv")).expect("a link");
    symlink(outside.path().join("more"), folder.path().join("more")).expect("a link");
    symlink(folder.path(), folder.path().join("circle")).expect("a link");
    let files = folder.connect().await;
    for table in ["link", "sales"] {
        let error = refused(files.table(None, table).await, table);
        assert!(matches!(error, Error::PermissionDenied { .. }), "{table}: {error}");
    }
    for (schema, table) in [(None, "more"), (Some("more"), "secret"), (Some(".."), "secret"), (None, "../secret")] {
        assert!(files.table(schema, table).await.is_err(), "{schema:?}.{table}");
    }
    let stolen = format!("select * from '{}'", outside.path().join("secret.csv").display());
    assert!(crate::support::native(files.as_ref(), &stolen).await.is_err());
}

#[tokio::test]
async fn files_that_are_not_what_they_seem() {
    let folder = Folder::new();
    folder.write("empty.csv", "");
    folder.write("empty.parquet", "");
    folder.write("text.parquet", "this is not Parquet at all, although it is long enough");
    folder.write("only_header.csv", "id,name\n");
    let files = folder.connect().await;
    for table in ["empty.csv", "empty.parquet", "text"] {
        let error = refused(files.table(None, table).await, table);
        assert!(matches!(error, Error::WrongFileType { .. }), "{table}: {error:?}");
    }
    assert!(rows(files.as_ref(), "only_header").await.expect("no rows").is_empty());
}

#[tokio::test]
async fn values_that_do_not_fit_name_file_row_and_option() {
    let folder = Folder::new();
    folder.write("ragged.csv", "a,b\n1,2\n3\n");
    let mut long = String::from("id\n");
    (0..3_000_000).for_each(|n| long.push_str(&format!("{}\n", n % 10)));
    long.push_str("oops\n");
    // Larger than what is read whole to learn the types.
    long.push_str(&"1234567\n".repeat(1_500_000));
    folder.write("late.csv", long);
    folder.write("bytes.csv", b"name\nok\n\xff\xfe\n");
    folder.write("mixed.jsonl", "{\"a\":1}\n{\"a\":\"text\"}\n");
    folder.write("broken.jsonl", "{\"a\":1}\n{\"a\":\n");
    let files = folder.connect().await;
    for (table, file) in
        [("ragged", "ragged.csv"), ("late", "late.csv"), ("bytes", "bytes.csv"), ("broken", "broken.jsonl")]
    {
        let error = refused(rows(files.as_ref(), table).await, table);
        assert!(matches!(error, Error::Decode { .. }), "{table}: {error:?}");
        assert!(error.to_string().contains(file), "{table}: {error}");
    }
    let late = refused(rows(files.as_ref(), "late").await, "late");
    assert!(late.to_string().contains("column `id`, row 3000001"), "{late}");
    assert!(late.hint().is_some_and(|hint| hint.contains("type.")), "{late}");
    let mixed = refused(rows(files.as_ref(), "mixed").await, "text and numbers in one column");
    assert!(matches!(&mixed, Error::Decode { column, .. } if column == "a"), "{mixed:?}");
}

#[tokio::test]
async fn huge_integers_are_not_rounded() {
    let folder = Folder::new();
    folder.write("a.csv", "n\n99999999999999999999\n1\n");
    let files = folder.connect().await;
    assert_eq!(rows(files.as_ref(), "a").await.expect("as text"), ["99999999999999999999", "1"]);
    folder.write("b.jsonl", "{\"n\":99999999999999999999}\n{\"n\":1}\n");
    let error = refused(rows(files.as_ref(), "b").await, "a rounded number");
    assert!(error.hint().is_some_and(|hint| hint.contains("decimal(38,0)")), "{error}");
    let files = folder.connect_with("type.a.n=decimal(38,0)&type.b.n=decimal(38,0)").await;
    assert_eq!(rows(files.as_ref(), "b").await.expect("as decimals"), ["99999999999999999999", "1"]);
    assert_eq!(rows(files.as_ref(), "a").await.expect("as decimals"), ["99999999999999999999", "1"]);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = Folder::new();
    folder.write("a.csv", format!("id\n{}", "1\n".repeat(100_000)));
    let files = folder.connect().await;
    let info = files.table(None, "a").await.expect("a table");
    let mut stream = files.open(request(scan(&info), None)).await.expect("a scan");
    assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    fs::write(folder.path().join("a.csv"), format!("id\n{}", "1\n".repeat(100_001))).expect("a file");
    let error = refused(collect(stream).await, "a changed file");
    assert!(matches!(error, Error::StaleCatalog { .. } | Error::Decode { .. }), "{error:?}");
}

#[tokio::test]
async fn a_deadline_ends_the_stream() {
    let folder = Folder::new();
    folder.write("a.csv", format!("id\n{}", "1\n".repeat(200_000)));
    let files = folder.connect().await;
    let info = files.table(None, "a").await.expect("a table");
    let mut request = request(scan(&info), None);
    request.context = StatementContext::new(Some(Instant::now() + Duration::from_millis(1)));
    let outcome = match files.open(request).await {
        Ok(mut stream) => {
            tokio::time::sleep(Duration::from_millis(2)).await;
            stream.next().await.expect("an item")
        }
        Err(error) => Err(error),
    };
    assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");
}
