-- SPDX-License-Identifier: Apache-2.0
-- What stands before the parts of plain SQL, as tally pg sql prints it.
SET check_function_bodies = off;
SET search_path = pg_catalog, pg_temp;
