// What GraphiQL remembers. It would write all that is typed into localStorage, passwords with it: what
// people type is kept for this tab only, and what looks like a secret in memory only.

const TYPED = /^graphiql:(query|variables|headers|tabState|queries|favorites|operationName)$/;
const SECRET = /password|token|secret|bearer|challenge|enrollment|ceremony|recoveryCode|totp/i;

const memory = new Map<string, string>();
const shelf = (key: string) => (TYPED.test(key) ? sessionStorage : localStorage);

export const storage = {
  getItem: (key: string) => memory.get(key) ?? shelf(key).getItem(key),
  setItem(key: string, value: string) {
    if (TYPED.test(key) && SECRET.test(value)) {
      memory.set(key, value);
      sessionStorage.removeItem(key);
    } else {
      memory.delete(key);
      shelf(key).setItem(key, value);
    }
  },
  removeItem(key: string) {
    memory.delete(key);
    shelf(key).removeItem(key);
  },
  clear() {
    memory.clear();
    for (const shelf of [sessionStorage, localStorage]) {
      for (const key of Object.keys(shelf)) if (key.startsWith("graphiql:")) shelf.removeItem(key);
    }
  },
  get length() {
    return memory.size + sessionStorage.length + localStorage.length;
  },
};
