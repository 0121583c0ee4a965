//! Text becomes a cursor only by authentication.
use rylie_db::prelude::*;

fn unchecked(text: String) -> KeysetRequest {
    KeysetRequest::after(50, Cursor(text))
}

fn as_text(text: String) -> KeysetRequest {
    KeysetRequest::after(50, text)
}

fn main() {}
