//! Calls in platform units, as far as tenant and operations units do not offer the repository.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::{Expirable, SecretColumn, SettingsChanges};

use super::listed;
use super::rows::DIGEST;

const COLUMN: SecretColumn = SecretColumn::Ga4AccessToken;

listed! { Platform by platform:
    UserRepository {
        move_to: |unit, rows| unit.users().move_to(&rows.leaver, Some(rows.empty.clone()));
    }
    AgencyAdministration {
        add: |unit, rows| unit.agency_administration().add(NewAgency::new("new"));
        find_by_domain: |unit, rows| unit.agency_administration().find_by_domain("empty.example.com");
        remove: |unit, rows| unit.agency_administration().remove(&rows.empty);
    }
    SecretValueRepository {
        count: |unit, rows| unit.secret_values().count(COLUMN);
        wait_for_writers: |unit, rows| unit.secret_values().wait_for_writers();
        survey: |unit, rows| unit.secret_values().survey(COLUMN, None, 10);
        reencrypt: |unit, rows| unit.secret_values().reencrypt(COLUMN, None, 10);
    }
    UsageClosing {
        close_ended: |unit, rows| unit.usage_closing().close_ended(None, None, 10);
        count_ended: |unit, rows| unit.usage_closing().count_ended(None);
        reset_everyone: |unit, rows| unit.usage_closing().reset_everyone(rows.now + TimeDelta::days(1), None, 10);
        count_everyone: |unit, rows| unit.usage_closing().count_everyone(rows.now + TimeDelta::days(1));
    }
    ExpiryRepository {
        count: |unit, rows| unit.expiry().count(Expirable::DeletedRequests, Duration::ZERO);
        remove: |unit, rows| unit.expiry().remove(Expirable::DeletedRequests, Duration::ZERO, 10);
        remove_all: |unit, rows| unit.expiry().remove_all(Expirable::Sessions, Duration::ZERO);
    }
    TenantTransfer {
        inventory: |unit, rows| unit.tenant_transfer().inventory(&rows.tenant);
        refuse_existing: |unit, rows| async {
            let another = TenantId::of_agency(&"another".parse()?);
            unit.tenant_transfer().refuse_existing(&another).await
        };
        columns: |unit, rows| unit.tenant_transfer().columns(rows.removed.0);
        rows_after: |unit, rows| unit.tenant_transfer().rows_after(rows.removed.0, &rows.tenant, None, 10);
        add_rows: |unit, rows| unit.tenant_transfer().add_rows(rows.removed.0, &rows.tenant, vec![rows.removed.1.clone()]);
        put_back_rows: |unit, rows| unit.tenant_transfer().put_back_rows(rows.removed.0, &rows.tenant, vec![rows.removed.1.clone()]);
        remove_rows: |unit, rows| unit.tenant_transfer().remove_rows(&rows.tenant);
        refuse_protected_database: |unit, rows| unit.tenant_transfer().refuse_protected_database();
        erase: |unit, rows| unit.tenant_transfer().erase(&rows.tenant);
        erase_user: |unit, rows| unit.tenant_transfer().erase_user(&rows.leaver);
        seal_file: |unit, rows| unit.tenant_transfer().seal_file(DIGEST);
        is_sealed_here: |unit, rows| unit.tenant_transfer().is_sealed_here(DIGEST, &rows.seal);
        record_transfer: |unit, rows| async {
            unit.tenant_transfer().record_transfer(Action::TenantExported, &rows.tenant, &BTreeMap::new()).await
        };
    }
    SettingsRepository {
        find: |unit, rows| unit.settings().find();
        ensure: |unit, rows| unit.settings().ensure();
        update: |unit, rows| unit.settings().update(SettingsChanges { audit_logging: Some(false), ..Default::default() });
    }
    AuditSealRepository {
        seal: |unit, rows| unit.audit_seals().seal(&rows.signer, 10, 0);
        checkpoints_after: |unit, rows| unit.audit_seals().checkpoints_after(0, 10);
        database: |unit, rows| unit.audit_seals().database();
        tenant_batches: |unit, rows| unit.audit_seals().tenant_batches(&rows.tenant, 0, 10);
        tenant_leaves: |unit, rows| unit.audit_seals().tenant_leaves(&rows.tenant, 1, 0, 10);
        last_checkpoint: |unit, rows| unit.audit_seals().last_checkpoint();
        last_before: |unit, rows| unit.audit_seals().last_before(rows.now);
        remove_declared: |unit, rows| unit.audit_seals().remove_declared(10);
        erase: |unit, rows| unit.audit_seals().erase(&rows.member, 10);
    }
}
