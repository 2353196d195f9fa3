//! The tools of agents, by the Model Context Protocol (<https://modelcontextprotocol.io>): documents are asked, quotations
//! checked, texts read. The tools are the same over HTTP (`POST /mcp` of `longspan serve`) and on standard input and output
//! (`longspan mcp`), and so are the engine, its queue and its limits. Only where documents come from differs: `library`.
//!
//! ```text
//! stdio      `longspan mcp`: standard input and output
//! http       `POST /mcp`
//! service    requests of the protocol: tools are listed and called, documents are resources
//! calls      what each tool does
//! shown      results as text, for clients that do not take objects
//! tools      the table of tools, and their arguments
//! library    the documents: those of the server, or those under the roots
//! roots      files that may be read
//! ```

mod roots;

mod library;
mod tools;

mod shown;

mod calls;

mod service;

mod http;
mod stdio;

pub use http::{answer, message_schema};
pub use stdio::run;
