-- SPDX-License-Identifier: Apache-2.0
-- This extension.
CREATE EXTENSION tally;
SELECT tally.attach('audit_logs', chain_by => 'org_id');
