//! Statements with parameters, and small answers as text.

use std::io;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};

use super::Session;
use crate::error::WireError;

/// A row of text values, as [`Session::query`] returns them.
pub(crate) type TextRow = Vec<Option<String>>;

/// Formats of the protocol.
const TEXT: i16 = 0;
const BINARY: i16 = 1;

/// How a statement is bound.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    /// Values in binary, already encoded.
    pub(crate) parameters: &'a [Vec<u8>],
    /// Which result columns come in binary; one entry stands for all.
    pub(crate) binary: &'a [bool],
}

impl Session {
    /// Appends one round trip of the extended protocol: parse, bind, execute, sync, all unnamed.
    pub(crate) fn execute(&mut self, sql: &str, types: &[u32], bind: &Bind<'_>) -> Result<(), WireError> {
        self.request(|out| {
            frontend::parse("", sql, types.iter().copied(), out)?;
            write_execute(bind, out)
        })
    }

    /// Appends the preparation of an unnamed statement, whose description the server sends back.
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<(), WireError> {
        self.request(|out| {
            frontend::parse("", sql, [], out)?;
            frontend::describe(b'S', "", out)?;
            frontend::sync(out);
            Ok(())
        })
    }

    /// Appends the execution of the statement prepared last.
    pub(crate) fn execute_prepared(&mut self, bind: &Bind<'_>) -> Result<(), WireError> {
        self.request(|out| write_execute(bind, out))
    }

    /// Refuses the data a `COPY … FROM STDIN` waits for.
    pub(crate) async fn refuse_copy(&mut self) -> Result<(), WireError> {
        self.append(|out| frontend::copy_fail("not supported", out))?;
        self.flush().await
    }

    /// Runs a statement with text parameters and returns all its rows, in one round trip. For small answers only.
    pub(crate) async fn query(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<TextRow>, WireError> {
        self.request(|out| {
            frontend::parse("", sql, [], out)?;
            let write = |value: &Option<&str>, out: &mut BytesMut| {
                out.extend_from_slice(value.unwrap_or_default().as_bytes());
                Ok(if value.is_some() { IsNull::No } else { IsNull::Yes })
            };
            frontend::bind("", "", [TEXT], parameters, write, [TEXT], out).map_err(io_error)?;
            frontend::execute("", 0, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        self.answer().await
    }

    /// Sends what was appended, which must be one request, and returns its rows, asked for as text. For small answers
    /// only. An error of the server leaves the connection usable.
    pub(crate) async fn answer(&mut self) -> Result<Vec<TextRow>, WireError> {
        self.flush().await?;
        let outcome = self.text_rows().await;
        match outcome {
            Ok(rows) => self.settle().await.map(|()| rows),
            Err(error @ WireError::Server(_)) => self.settle().await.and(Err(error)),
            Err(error) => Err(error),
        }
    }

    async fn text_rows(&mut self) -> Result<Vec<TextRow>, WireError> {
        use fallible_iterator::FallibleIterator;
        let mut rows = Vec::new();
        while let Some(message) = self.message().await? {
            if let Message::DataRow(row) = message {
                let text = |range: Option<std::ops::Range<usize>>| {
                    let bytes = range.map(|range| row.buffer().get(range).unwrap_or_default());
                    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                };
                rows.push(row.ranges().map(text).collect()?);
            }
        }
        Ok(rows)
    }
}

fn write_execute(bind: &Bind<'_>, out: &mut BytesMut) -> io::Result<()> {
    let write = |value: &Vec<u8>, out: &mut BytesMut| {
        out.extend_from_slice(value);
        Ok(IsNull::No)
    };
    let formats = bind.binary.iter().map(|binary| if *binary { BINARY } else { TEXT });
    frontend::bind("", "", [BINARY], bind.parameters, write, formats, out).map_err(io_error)?;
    frontend::execute("", 0, out)?;
    frontend::sync(out);
    Ok(())
}

fn io_error(error: BindError) -> io::Error {
    match error {
        BindError::Serialization(cause) => cause,
        BindError::Conversion(cause) => io::Error::other(cause),
    }
}
