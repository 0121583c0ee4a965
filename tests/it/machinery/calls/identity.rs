//! Calls in identity units.

use chrono::TimeDelta;
use rylie_db::repositories::NewAccount;

use super::listed;
use super::rows::{IDENTIFIER, secret};

listed! { Identity by identity:
    IdentityRepository {
        find_by_email: |unit, rows| unit.identities().find_by_email(&rows.email);
        sign_up: |unit, rows| unit.identities().sign_up("new@example.com", None);
        confirm_email: |unit, rows| unit.identities().confirm_email(&rows.member);
    }
    AccountRepository {
        find: |unit, rows| unit.accounts().find("google", "g-1");
        list_of: |unit, rows| unit.accounts().list_of(&rows.admin);
        link: |unit, rows| unit.accounts().link(NewAccount { access_token: Some(secret()), ..NewAccount::new(rows.member.clone(), "oauth", "google", "g-2") });
        open_access_token: |unit, rows| unit.accounts().open_access_token(&rows.account);
        open_refresh_token: |unit, rows| unit.accounts().open_refresh_token(&rows.account);
        open_id_token: |unit, rows| unit.accounts().open_id_token(&rows.account);
        unlink: |unit, rows| unit.accounts().unlink(&rows.account);
    }
    SessionRepository {
        begin: |unit, rows| unit.sessions().begin(&rows.member, rows.now + TimeDelta::hours(1));
        signed_in: |unit, rows| unit.sessions().signed_in(&rows.session);
        extend: |unit, rows| unit.sessions().extend(&rows.session, rows.now + TimeDelta::days(1));
        end: |unit, rows| unit.sessions().end(&rows.session);
        end_all: |unit, rows| unit.sessions().end_all(&rows.admin);
    }
    ApiKeySignIn {
        signed_in: |unit, rows| unit.api_keys().signed_in(&rows.api_key);
    }
    VerificationTokenRepository {
        issue: |unit, rows| unit.verification_tokens().issue("new@example.com", rows.now + TimeDelta::hours(1));
        consume: |unit, rows| unit.verification_tokens().consume(IDENTIFIER, &rows.one_time);
    }
}
