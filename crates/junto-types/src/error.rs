use std::borrow::Cow;

/// Who has to act on an error. Small and closed, so that it can decide exit codes and HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The statement, an option or a name is wrong: the user changes it.
    User,
    /// A source refused, failed or could not be reached.
    Source,
    /// A limit of Junto or of the machine was reached: memory, time, rows, disk.
    Resource,
    /// The user or a dropped stream stopped the work.
    Cancelled,
    /// A defect of Junto.
    Internal,
}

impl ErrorKind {
    /// Exit code of the command line for an error of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::User | ErrorKind::Resource => 1,
            ErrorKind::Source => 2,
            ErrorKind::Internal => 3,
            ErrorKind::Cancelled => 130,
        }
    }
}

/// One actionable sentence that goes beside an error message, never inside it.
pub type Hint = Cow<'static, str>;
