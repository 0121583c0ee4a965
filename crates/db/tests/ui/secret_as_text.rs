//! A sealed column does not accept text.
use rylie_db::entities::SealedColumn;

fn store(token: String) -> SealedColumn {
    token.into()
}

fn main() {}
