-- SPDX-License-Identifier: Apache-2.0
-- Plain SQL, without the extension.
RESET search_path;
SELECT tally.attach('audit_logs', chain_by => 'org_id');
