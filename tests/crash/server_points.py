"""Crash points inside PostgreSQL, within the one transaction: triggers whose n-th passage sleeps, or ends its own backend."""

kServerPoints = {"after_heads": "AFTER INSERT ON audit.chain_heads",
                 "after_read_models": "AFTER INSERT ON audit.api_keys",
                 "after_offsets": "AFTER UPDATE OF next_offset ON audit.partitions"}

# A sequence counts also what is rolled back. It is set so that it says 0 at the n-th passage.
kTriggers = """
CREATE TABLE public.asleep_s AS SELECT 0::float AS seconds;
CREATE FUNCTION public.crash_point() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  DECLARE seconds float := (SELECT a.seconds FROM public.asleep_s AS a);
  BEGIN
    IF nextval('public.' || TG_NAME) = 0 THEN
      IF seconds = 0 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
      PERFORM pg_sleep(seconds);
    END IF;
    RETURN NULL;
  END $$;
""" + "".join(f"""
CREATE SEQUENCE public.{point} MINVALUE -1000;
CREATE TRIGGER {point} {when} FOR EACH STATEMENT EXECUTE FUNCTION public.crash_point();
""" for point, when in kServerPoints.items())


class ServerPoints:
    """session: a superuser's, in autocommit."""

    def __init__(self, session):
        self._session = session
        session.execute(kTriggers)

    def arm(self, point, passage, asleep_s):
        """asleep_s: 0 ends the backend."""
        self._session.execute("UPDATE public.asleep_s SET seconds = %s", [asleep_s])
        self._session.execute(f"SELECT setval('public.{point}', {1 - passage}, false)")

    def asleep(self):
        return self._session.execute("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                                     " AND wait_event = 'PgSleep')").fetchone()[0]

    def reached(self, point):
        value, called = self._session.execute(f"SELECT last_value, is_called FROM public.{point}").fetchone()
        return called and value >= 0
