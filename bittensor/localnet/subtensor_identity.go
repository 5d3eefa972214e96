package localnet

import "github.com/maxmos001/bitmind-subnet/bittensor/substrate"

// identityField bounds one text of an identity, in bytes.
type identityField struct {
	name  string
	bytes int
}

var coldkeyIdentityLimits = []identityField{
	{"name", 256}, {"url", 256}, {"github_repo", 256}, {"image", 1024}, {"discord", 256}, {"description", 1024}, {"additional", 1024},
}

var subnetIdentityLimits = []identityField{
	{"subnet_name", 256}, {"github_repo", 1024}, {"subnet_contact", 1024}, {"subnet_url", 1024}, {"discord", 256},
	{"description", 1024}, {"logo_url", 1024}, {"additional", 1024},
}

// validIdentity reports whether every text of an identity is short enough.
func validIdentity(rec substrate.Record, limits []identityField) bool {
	for _, f := range limits {
		if len(arg[[]byte](args{rec}, f.name)) > f.bytes {
			return false
		}
	}
	return true
}

func identityCalls() map[string]callFunc {
	// fields picks the texts of an identity from a call's arguments.
	fields := func(a args, limits []identityField) substrate.Record {
		var rec substrate.Record
		for _, f := range limits {
			rec = append(rec, substrate.Entry{Name: f.name, Value: arg[[]byte](a, f.name)})
		}
		return rec
	}
	return map[string]callFunc{
		"SubtensorModule.set_identity": func(e *env, from origin, a args) error {
			coldkey, err := from.signed()
			if err != nil {
				return err
			}
			known := false
			for _, hotkey := range e.accounts("OwnedHotkeys", coldkey[:]) {
				known = known || e.registeredAnywhere(hotkey)
			}
			rec := fields(a, coldkeyIdentityLimits)
			switch {
			case !known:
				return e.fail("HotKeyNotRegisteredInNetwork")
			case !validIdentity(rec, coldkeyIdentityLimits):
				return e.fail("InvalidIdentity")
			}
			if err := e.setStruct("IdentitiesV2", rec, coldkey[:]); err != nil {
				return err
			}
			e.emit("SubtensorModule", "ChainIdentitySet", coldkey)
			return nil
		},
		"SubtensorModule.set_subnet_identity": func(e *env, from origin, a args) error {
			coldkey, err := from.signed()
			if err != nil {
				return err
			}
			netuid := a.u16("netuid")
			rec := fields(a, subnetIdentityLimits)
			switch {
			case e.account("SubnetOwner", le16(netuid)) != coldkey:
				return e.fail("NotSubnetOwner")
			case !validIdentity(rec, subnetIdentityLimits):
				return e.fail("InvalidIdentity")
			}
			if err := e.setStruct("SubnetIdentitiesV3", rec, le16(netuid)); err != nil {
				return err
			}
			e.emit("SubtensorModule", "SubnetIdentitySet", netuid)
			return nil
		},
	}
}
