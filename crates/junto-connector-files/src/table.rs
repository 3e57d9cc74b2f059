//! One table: its columns, learnt from the files once and kept until a file changes.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit, when};
use datafusion::object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use junto_connector::{ColumnInfo, Error, Options, Result, TableInfo, TableKind, TextSemantics};
use url::Url;

use crate::digits::{columns_with_leading_zeros, has_integer_beyond_64_bits};
use crate::failure;
use crate::folder::{DataFile, Found};
use crate::formats::{Format, INFERRED_FROM_ALL_BYTES};
use crate::types::{ColumnType, column_type, named_type};

/// A table that can be read.
#[derive(Debug)]
pub(crate) struct OpenTable {
    /// As it was found; another state of the files makes another table.
    pub(crate) found: Found,
    pub(crate) info: TableInfo,
    /// What a plan scans; its columns are those of `info`, nested ones as they are.
    pub(crate) provider: Arc<dyn TableProvider>,
    /// The files below the provider.
    pub(crate) listing: Arc<ListingTable>,
    pub(crate) format: Arc<dyn FileFormat>,
    pub(crate) objects: Vec<ObjectMeta>,
}

impl OpenTable {
    /// Learns the columns: from the footers of Parquet files, from the values of others.
    ///
    /// # Errors
    /// [`Error::WrongFileType`] for what cannot be such a file, [`Error::PermissionDenied`] for links that lead out.
    pub(crate) async fn open(state: &SessionState, found: Found, options: &Options) -> Result<Self> {
        if let Some(reason) = &found.refused {
            return Err(Error::PermissionDenied { reason: reason.clone() });
        }
        let shown = found.location.display().to_string();
        let wrong = || Error::WrongFileType { path: shown.clone(), expected: found.format.expected() };
        let first = found.files.iter().find(|file| file.size_bytes > 0).ok_or_else(wrong)?;
        let format = found.format.reader(options, &first.path, found.size_bytes())?;
        let urls = found.files.iter().map(file_url).collect::<Result<Vec<_>>>()?;
        let store = state
            .runtime_env()
            .object_store(urls.first().ok_or_else(wrong)?.object_store())
            .map_err(|cause| failure::reading(&shown, &cause))?;
        let objects = objects(&store, &urls, &shown).await?;
        let filled: Vec<ObjectMeta> = objects.iter().filter(|object| object.size > 0).cloned().collect();
        let inferred = format.infer_schema(state, &store, &filled).await.map_err(|cause| {
            let is_text = found.format.is_inferred();
            if is_text { failure::reading(&shown, &cause) } else { wrong_or(&shown, &cause, wrong()) }
        })?;
        if inferred.fields().is_empty() {
            return Err(wrong());
        }
        let inferred = names_as_text(inferred, &found, options).await?;
        let columns = columns(&inferred, &found, options)?;
        refuse_rounding(&found, &columns).await?;
        let partitions = partition_types(&found);
        let failed = |cause: DataFusionError| failure::reading(&shown, &cause);
        let nulls = found.format.nulls(options);
        let listing = listing(&found, &format, &columns, &partitions, urls, !nulls.is_empty()).map_err(failed)?;
        let listing = Arc::new(listing);
        let provider: Arc<dyn TableProvider> = match nulls.as_slice() {
            [] => Arc::clone(&listing) as _,
            nulls => Arc::new(without_nulls(&listing, &columns, nulls).map_err(failed)?),
        };
        let info = info(&found, &columns, &partitions);
        Ok(Self { found, info, provider, listing, format, objects })
    }

    /// Path of the file, or of the folder, for messages.
    pub(crate) fn shown(&self) -> String {
        self.found.location.display().to_string()
    }
}

/// The schema with text for CSV columns of numbers that have leading zeros.
async fn names_as_text(inferred: SchemaRef, found: &Found, options: &Options) -> Result<SchemaRef> {
    let Some(csv) = found.format.csv_options(options, found.size_bytes())? else { return Ok(inferred) };
    let files = found.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let schema = Arc::clone(&inferred);
    let scan = tokio::task::spawn_blocking(move || columns_with_leading_zeros(&files, &schema, &csv));
    // A row that cannot be read is reported, with its place, when the table is.
    let zeros = scan.await.map_err(|_| Error::internal("reading a CSV file failed"))?.unwrap_or_default();
    let field = |(at, field): (usize, &Arc<Field>)| {
        if zeros.contains(&at) {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        } else {
            Arc::clone(field)
        }
    };
    Ok(Arc::new(Schema::new(inferred.fields().iter().enumerate().map(field).collect::<Vec<_>>())))
}

/// DataFusion reads JSON integers beyond 64 bits as doubles, which would round them.
async fn refuse_rounding(found: &Found, columns: &[Column]) -> Result<()> {
    let rounded = columns.iter().find(|column| !column.is_chosen && column.column_type.read == DataType::Float64);
    let (Format::Json, Some(column)) = (found.format, rounded) else { return Ok(()) };
    for file in &found.files {
        let path = file.path.clone();
        let scan = tokio::task::spawn_blocking(move || has_integer_beyond_64_bits(&path, INFERRED_FROM_ALL_BYTES));
        let scan = scan.await.map_err(|_| Error::internal("reading a JSON file failed"))?;
        if scan.unwrap_or(false) {
            return Err(Error::Decode {
                column: column.name.clone(),
                row: None,
                reason: format!("{} has whole numbers beyond 64 bits, which a double would round", file.path.display()),
                hint: Some(
                    "say how to read each column with a point or such numbers: option `type.<table>.<column>` = \
                     `decimal(38,0)`, or `double` to accept rounding"
                        .into(),
                ),
            });
        }
    }
    Ok(())
}

/// A column of the files.
#[derive(Debug)]
struct Column {
    name: String,
    source_type: String,
    nullable: bool,
    column_type: ColumnType,
    /// The type is an option's, not an inferred one.
    is_chosen: bool,
}

fn columns(inferred: &Schema, found: &Found, options: &Options) -> Result<Vec<Column>> {
    let column = |field: &Arc<Field>| {
        let mut column_type = column_type(field);
        let short = format!("{}.{}", found.name.table, field.name());
        let full = format!("{}.{}", found.name, field.name());
        let chosen = options.entries("type").find(|(name, _)| *name == short || *name == full);
        if let Some((name, wanted)) = chosen {
            let data_type = named_type(&format!("type.{name}"), wanted)?;
            column_type = ColumnType { read: data_type.clone(), planned: data_type, remark: None };
        }
        Ok(Column {
            name: field.name().clone(),
            source_type: field.data_type().to_string(),
            // Only Parquet files say so, and a file added later need not keep it.
            nullable: field.is_nullable() || found.format.is_inferred() || found.files.len() > 1,
            column_type,
            is_chosen: chosen.is_some(),
        })
    };
    inferred.fields().iter().map(column).collect()
}

/// Reads the values as text, takes NULL for some of them, and casts the rest.
fn without_nulls(
    listing: &Arc<ListingTable>,
    columns: &[Column],
    nulls: &[&str],
) -> Result<ViewTable, DataFusionError> {
    let source = provider_as_source(Arc::clone(listing) as _);
    let null_texts: Vec<_> = nulls.iter().map(|text| lit(ScalarValue::Utf8View(Some((*text).to_owned())))).collect();
    let schema = TableProvider::schema(listing.as_ref());
    let value = |field: &Arc<Field>| {
        let text = Expr::Column(datafusion::common::Column::new(Some("f"), field.name()));
        let Some(column) = columns.iter().find(|column| column.name == *field.name()) else { return Ok(text) };
        let is_null = text.clone().in_list(null_texts.clone(), false);
        let value = when(is_null, lit(ScalarValue::Utf8View(None))).otherwise(text)?;
        Ok(cast(value, column.column_type.read.clone()).alias(field.name()))
    };
    let values = schema.fields().iter().map(value).collect::<Result<Vec<_>, DataFusionError>>()?;
    Ok(ViewTable::new(LogicalPlanBuilder::scan("f", source, None)?.project(values)?.build()?, None))
}

fn listing(
    found: &Found,
    format: &Arc<dyn FileFormat>,
    columns: &[Column],
    partitions: &[(String, DataType)],
    files: Vec<ListingTableUrl>,
    as_text: bool,
) -> datafusion::error::Result<ListingTable> {
    let read = |column: &Column| if as_text { DataType::Utf8View } else { column.column_type.read.clone() };
    let fields = columns.iter().map(|column| Field::new(&column.name, read(column), column.nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ListingOptions::new(Arc::clone(format))
        .with_file_extension(if partitions.is_empty() { "" } else { common_extension(&found.files)? })
        .with_table_partition_cols(partitions.to_vec());
    let config = if partitions.is_empty() {
        ListingTableConfig::new_with_multi_paths(files)
    } else {
        let folder = Url::from_directory_path(&found.location)
            .map_err(|()| DataFusionError::Execution("a folder whose path is no URL".into()))?;
        ListingTableConfig::new(ListingTableUrl::try_new(folder, None)?)
    };
    ListingTable::try_new(config.with_listing_options(options).with_schema(schema))
}

/// A folder of partitions is listed by DataFusion, which must take the same files as we did.
fn common_extension(files: &[DataFile]) -> datafusion::error::Result<&str> {
    let extension = |file: &'_ DataFile| file.path.extension().map(std::ffi::OsStr::to_os_string);
    let first = files.first().and_then(|file| file.path.extension()?.to_str());
    match first {
        Some(first) if files.iter().all(|file| extension(file).is_some_and(|other| other == first)) => Ok(first),
        _ => Err(DataFusionError::Execution("the files of a partitioned table have different extensions".into())),
    }
}

fn info(found: &Found, columns: &[Column], partitions: &[(String, DataType)]) -> TableInfo {
    let of_files = columns.iter().map(|column| ColumnInfo {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.column_type.planned.clone(),
        nullable: column.nullable,
        text: if column.column_type.read.is_nested() { TextSemantics::Opaque } else { TextSemantics::Binary },
        comment: None,
        remark: column.column_type.remark.clone(),
    });
    let of_folders = partitions.iter().map(|(name, data_type)| ColumnInfo {
        name: name.clone(),
        source_type: "name of a folder".into(),
        data_type: data_type.clone(),
        nullable: true,
        text: TextSemantics::Binary,
        comment: None,
        remark: None,
    });
    TableInfo {
        name: found.name.clone(),
        kind: TableKind::File,
        comment: None,
        columns: of_files.chain(of_folders).collect(),
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        partitions: Vec::new(),
        row_estimate: None,
    }
}

/// Partition keys are whole numbers when every folder's name is one, written the usual way; else text.
fn partition_types(found: &Found) -> Vec<(String, DataType)> {
    let is_number = |text: &str| text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    let typed = |(at, key): (usize, &String)| {
        let numbers = found.files.iter().all(|file| file.partition.get(at).is_some_and(|value| is_number(value)));
        (key.clone(), if numbers { DataType::Int64 } else { DataType::Utf8View })
    };
    found.partition_keys.iter().enumerate().map(typed).collect()
}

fn file_url(file: &DataFile) -> Result<ListingTableUrl> {
    let shown = file.path.display();
    let url = Url::from_file_path(&file.path).map_err(|()| Error::internal(format!("{shown} is not absolute")))?;
    ListingTableUrl::try_new(url, None).map_err(|cause| Error::internal(format!("{shown}: {cause}")))
}

async fn objects(store: &Arc<dyn ObjectStore>, urls: &[ListingTableUrl], shown: &str) -> Result<Vec<ObjectMeta>> {
    let mut objects = Vec::with_capacity(urls.len());
    for url in urls {
        let object = store.head(url.prefix()).await;
        objects.push(
            object.map_err(|cause| Error::ConnectionLost { reason: format!("{shown} cannot be read: {cause}") })?,
        );
    }
    Ok(objects)
}

/// Parquet files that are none fail in many ways; files that disagree with each other in one.
fn wrong_or(shown: &str, cause: &DataFusionError, wrong: Error) -> Error {
    match cause.find_root() {
        DataFusionError::ArrowError(inner, _) if inner.to_string().contains("Fail to merge schema") => {
            Error::WrongFileType {
                path: format!("{shown}: its files disagree on a column's type; it"),
                expected: Format::Parquet.expected(),
            }
        }
        _ => wrong,
    }
}
