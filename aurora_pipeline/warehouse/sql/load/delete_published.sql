-- Forget how fresh the file was, before it is said anew.
-- One row in all.
DELETE FROM published
