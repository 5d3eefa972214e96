package localnet

import "github.com/maxmos001/bitmind-subnet/bittensor/ss58"

func sudoCalls() map[string]callFunc {
	sudo := func(e *env, from origin, a args) error {
		if err := e.requireSudo(from); err != nil {
			return err
		}
		e.emit("Sudo", "Sudid", result(e.inner(origin{root: true}, a, "call")))
		return nil
	}
	return map[string]callFunc{
		"Sudo.sudo":                  sudo,
		"Sudo.sudo_unchecked_weight": sudo,
		"Sudo.sudo_as": func(e *env, from origin, a args) error {
			if err := e.requireSudo(from); err != nil {
				return err
			}
			who, ok := a.address("who")
			if !ok {
				return errCannotLookup
			}
			e.emit("Sudo", "SudoAsDone", result(e.inner(origin{id: who}, a, "call")))
			return nil
		},
		"Sudo.set_key": func(e *env, from origin, a args) error {
			if err := e.requireSudo(from); err != nil {
				return err
			}
			who, ok := a.address("new")
			if !ok {
				return errCannotLookup
			}
			var old any
			if e.has("Sudo.Key") {
				old = e.account("Sudo.Key")
			}
			e.emit("Sudo", "KeyChanged", old, who)
			e.setAccount("Sudo.Key", who)
			return nil
		},
		"Sudo.remove_key": func(e *env, from origin, _ args) error {
			if err := e.requireSudo(from); err != nil {
				return err
			}
			e.remove("Sudo.Key")
			e.emit("Sudo", "KeyRemoved")
			return nil
		},
	}
}

// requireSudo lets Sudo's key pass, and root.
func (e *env) requireSudo(from origin) error {
	if !from.root && (from.id != e.account("Sudo.Key") || from.id == (ss58.AccountID{})) {
		return e.fail("Sudo.RequireSudo")
	}
	return nil
}
