-- SPDX-License-Identifier: Apache-2.0
-- The audit table that every contender has, without any chain.
CREATE TABLE audit_logs (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	org_id integer NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	actor text NOT NULL,
	action text NOT NULL,
	resource text NOT NULL,
	details jsonb NOT NULL
);
