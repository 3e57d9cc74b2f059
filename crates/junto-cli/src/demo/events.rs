//! Page views in Parquet and campaigns in CSV.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::random::Random;
use super::shop::{CUSTOMERS, DAYS, FIRST_DAY};
use super::words::{CAMPAIGNS, PAGES};
use crate::failure::{Failure, Result};
use crate::output::write_date;

const OTHER_VIEWS: usize = 55_000;

/// Makes the folder with both files.
pub(super) fn write(folder: &Path) -> Result<()> {
    let failed = |error: io::Error| Failure::file(&error, "cannot make the demo's files".into());
    fs::create_dir(folder).map_err(failed)?;
    fs::write(folder.join("campaigns.csv"), campaigns()).map_err(failed)?;
    page_views(&folder.join("page_views.parquet")).map_err(failed)
}

fn campaigns() -> String {
    let mut random = Random::new(7);
    let mut csv = String::from("code,name,channel,started_on,budget\n");
    for (code, name, channel) in CAMPAIGNS {
        let mut date = Vec::new();
        write_date(FIRST_DAY + random.below(DAYS / 2) as i64, &mut date);
        let budget = (5 + random.below(60)) * 500;
        csv.push_str(&format!("{code},{name},{channel},{},{budget}.00\n", String::from_utf8_lossy(&date)));
    }
    csv
}

/// Each customer has one view of `/welcome`, with the campaign that brought them; the others follow by activity.
fn page_views(path: &Path) -> io::Result<()> {
    let mut random = Random::new(8);
    let mut views: Vec<(i64, i64, &str, &str)> = Vec::new();
    for customer in 1..=CUSTOMERS {
        let moment = moment(&mut random, DAYS / 4);
        views.push((moment, customer, "/welcome", random.favoured(&CAMPAIGNS).0));
    }
    for _ in 0..OTHER_VIEWS {
        let customer = 1 + random.skewed(CUSTOMERS as u64) as i64;
        let moment = moment(&mut random, DAYS);
        let page: &str = random.favoured::<&str>(&PAGES);
        views.push((moment, customer, page, random.favoured(&CAMPAIGNS).0));
    }
    views.sort_unstable();
    let seconds: Int32Array = views.iter().map(|_| 1 + random.skewed(600) as i32).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("viewed_at", Arc::new(TimestampMicrosecondArray::from_iter_values(views.iter().map(|view| view.0)))),
        ("customer_id", Arc::new(views.iter().map(|view| view.1).collect::<Int64Array>())),
        ("page", Arc::new(StringArray::from_iter_values(views.iter().map(|view| view.2)))),
        ("campaign", Arc::new(StringArray::from_iter_values(views.iter().map(|view| view.3)))),
        ("seconds", Arc::new(seconds)),
    ];
    let batch = RecordBatch::try_from_iter(columns).map_err(io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(10_000))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties)).map_err(io::Error::other)?;
    writer.write(&batch).map_err(io::Error::other)?;
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// Microseconds since 1970 of some second in the first `days` days.
fn moment(random: &mut Random, days: u64) -> i64 {
    let day = FIRST_DAY + random.below(days) as i64;
    (day * 86_400 + random.below(86_400) as i64) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_every_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| {
            write(&folder.path().join(name)).expect("made");
            fs::read(folder.path().join(name).join("page_views.parquet")).expect("there")
        };
        assert!(read("a") == read("b"));
        assert_eq!(campaigns().lines().count(), CAMPAIGNS.len() + 1);
    }
}
