package substrate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// resolve finds or makes the type that a Rust type name stands for. from is the crate
// of the type that refers to it.
func (b *Builder) resolve(name, from string) (TypeID, error) {
	s := compactText(name)
	if s == "" || len(s) > 4096 {
		return 0, fmt.Errorf("%.40q is not a type", name)
	}
	if inner, ok := enclosed(s, '(', ')'); ok {
		var elems []TypeID
		for _, part := range splitTop(inner) {
			id, err := b.resolve(part, from)
			if err != nil {
				return 0, err
			}
			elems = append(elems, id)
		}
		return b.tuple(elems), nil
	}
	if inner, ok := enclosed(s, '[', ']'); ok {
		i := strings.LastIndexByte(inner, ';')
		if i < 0 {
			return 0, fmt.Errorf("%q: an array needs a length", name)
		}
		n, err := strconv.ParseUint(inner[i+1:], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q: length of the array: %w", name, err)
		}
		elem, err := b.resolve(inner[:i], from)
		if err != nil {
			return 0, err
		}
		return b.structural(fmt.Sprintf("[#%d;%d]", elem, n), Type{Kind: KindArray, Elem: elem, Len: uint32(n)}), nil
	}
	base, generics, _ := strings.Cut(s, "<")
	generics = strings.TrimSuffix(generics, ">")
	if i := slices.Index(primitiveNames, base); i >= 0 {
		return b.structural(base, Type{Kind: KindPrimitive, Primitive: Primitive(i)}), nil
	}
	if alias, ok := b.aliases[base]; ok {
		return b.resolve(alias, from)
	}
	if d, err := b.lookup(base, generics, from); err != nil {
		return 0, err
	} else if d != nil {
		return b.place(d)
	}
	if id, ok := b.built[base]; ok {
		return id, nil
	}
	return b.generic(base, splitTop(generics), from)
}

// enclosed cuts the brackets from s when they enclose all of it.
func enclosed(s string, open, end byte) (string, bool) {
	if s[0] != open || s[len(s)-1] != end {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// splitTop splits at the commas that stand outside all brackets.
func splitTop(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '<', '(', '[':
			depth++
		case '>', ')', ']':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

// structural returns the one type of this form, adding it when it is new.
func (b *Builder) structural(key string, t Type) TypeID {
	if id, ok := b.built[key]; ok {
		return id
	}
	id := b.add(t)
	b.built[key] = id
	return id
}

func (b *Builder) tuple(elems []TypeID) TypeID {
	return b.structural(fmt.Sprint("tuple", elems), Type{Kind: KindTuple, Elems: elems})
}

// lookup finds the declared type that a name means; nil when no declared type has it.
func (b *Builder) lookup(base, generics, from string) (*typeDecl, error) {
	segments := strings.Split(base, "::")
	found := b.byName[segments[len(segments)-1]]
	keep := func(test func(*typeDecl) bool) {
		var kept []*typeDecl
		for _, d := range found {
			if test(d) {
				kept = append(kept, d)
			}
		}
		if len(kept) > 0 {
			found = kept
		}
	}
	if len(segments) > 1 {
		found = slices.DeleteFunc(slices.Clone(found), func(d *typeDecl) bool { return !slices.Equal(d.path, segments) })
	}
	if len(found) > 1 {
		bare := strings.ReplaceAll(strings.ReplaceAll(generics, ",_", ""), "_,", "")
		keep(func(d *typeDecl) bool { return d.generics == generics || d.generics == bare })
	}
	if len(found) > 1 {
		keep(func(d *typeDecl) bool { return (d.generics == "") == (generics == "") })
	}
	if len(found) > 1 {
		keep(func(d *typeDecl) bool { return d.path[0] == from })
	}
	if len(found) > 1 {
		keep(func(d *typeDecl) bool { return !d.standard })
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	var paths []string
	for _, d := range found {
		paths = append(paths, strings.Join(d.path, "::")+"<"+d.generics+">")
	}
	return nil, fmt.Errorf("%s may mean any of %s", base, strings.Join(paths, ", "))
}

// place puts a declared type into the registry, before its fields, so that it may
// contain itself.
func (b *Builder) place(d *typeDecl) (TypeID, error) {
	if d.placed {
		return d.id, nil
	}
	t := Type{Path: d.path, Kind: KindComposite}
	if d.isEnum {
		t.Kind = KindVariant
	}
	d.id, d.placed = b.add(t), true
	crate := d.path[0]
	for _, p := range d.params {
		param := TypeParam{Name: p.Name}
		if p.Type != "" {
			id, err := b.resolve(p.Type, crate)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", strings.Join(d.path, "::"), err)
			}
			param.Type = &id
		}
		b.m.Types[d.id].Params = append(b.m.Types[d.id].Params, param)
	}
	var err error
	var fields []Field
	var variants []Variety
	if d.isEnum {
		variants, err = b.varieties(d.variants, crate)
	} else {
		fields, err = b.fields(d.fields, crate)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", strings.Join(d.path, "::"), err)
	}
	b.m.Types[d.id].Fields, b.m.Types[d.id].Variants = fields, variants
	return d.id, nil
}

func (b *Builder) fields(decls []FieldDecl, crate string) ([]Field, error) {
	var out []Field
	for _, f := range decls {
		id, err := b.resolve(f.Type, crate)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		out = append(out, Field{Name: f.Name, Type: id, TypeName: f.Type})
	}
	return out, nil
}

func (b *Builder) varieties(decls []VariantDecl, crate string) ([]Variety, error) {
	var out []Variety
	for _, v := range decls {
		fields, err := b.fields(v.Fields, crate)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		out = append(out, Variety{Name: v.Name, Index: v.Index, Fields: fields, Docs: docLines(v.Docs)})
	}
	return out, nil
}

// generic makes the built-in generic types.
func (b *Builder) generic(base string, args []string, from string) (TypeID, error) {
	if base == "Era" {
		return b.era(), nil
	}
	arity := map[string]int{
		"Vec": 1, "Option": 1, "Result": 2, "Compact": 1, "Box": 1, "Cow": 1,
		"BTreeMap": 2, "BTreeSet": 1, "BoundedVec": 1, "WeakBoundedVec": 1,
	}
	n, ok := arity[base]
	if !ok {
		return 0, fmt.Errorf("type %s is not declared", base)
	}
	if len(args) < n {
		return 0, fmt.Errorf("%s needs %d types in angle brackets", base, n)
	}
	ids := make([]TypeID, n)
	for i := range ids {
		id, err := b.resolve(args[i], from)
		if err != nil {
			return 0, err
		}
		ids[i] = id
	}
	key := fmt.Sprint(base, ids)
	first := ids[0]
	param := func(names ...string) []TypeParam {
		out := make([]TypeParam, len(names))
		for i, name := range names {
			out[i].Name = name
			if i < len(ids) {
				out[i].Type = &ids[i]
			}
		}
		return out
	}
	wrapper := func(path []string, params []TypeParam, inner TypeID) TypeID {
		return b.structural(key, Type{Path: path, Params: params, Kind: KindComposite, Fields: []Field{{Type: inner}}})
	}
	vec := func(elem TypeID) TypeID {
		return b.structural(fmt.Sprint("Vec", []TypeID{elem}), Type{Kind: KindSequence, Elem: elem})
	}
	switch base {
	case "Vec":
		return vec(first), nil
	case "Box":
		return first, nil
	case "Compact":
		return b.structural(key, Type{Kind: KindCompact, Elem: first}), nil
	case "Option":
		return b.structural(key, Type{Path: []string{"Option"}, Params: param("T"), Kind: KindVariant, Variants: []Variety{
			{Name: "None", Index: 0}, {Name: "Some", Index: 1, Fields: []Field{{Type: first}}},
		}}), nil
	case "Result":
		return b.structural(key, Type{Path: []string{"Result"}, Params: param("T", "E"), Kind: KindVariant, Variants: []Variety{
			{Name: "Ok", Index: 0, Fields: []Field{{Type: first}}}, {Name: "Err", Index: 1, Fields: []Field{{Type: ids[1]}}},
		}}), nil
	case "BTreeMap":
		return wrapper([]string{base}, param("K", "V"), vec(b.tuple(ids))), nil
	case "BTreeSet":
		return wrapper([]string{base}, param("T"), vec(first)), nil
	case "Cow":
		return wrapper([]string{base}, param("T"), first), nil
	case "BoundedVec":
		return wrapper([]string{"bounded_collections", "bounded_vec", base}, param("T", "S"), vec(first)), nil
	default:
		return wrapper([]string{"bounded_collections", "weak_bounded_vec", base}, param("T", "S"), vec(first)), nil
	}
}

// era makes sp_runtime's Era as its metadata has it: one variant per first byte, the
// second byte as its field.
func (b *Builder) era() TypeID {
	if id, ok := b.built["Era"]; ok {
		return id
	}
	u8 := b.structural("u8", Type{Kind: KindPrimitive, Primitive: U8})
	vs := []Variety{{Name: "Immortal"}}
	for i := 1; i < 256; i++ {
		vs = append(vs, Variety{Name: "Mortal" + strconv.Itoa(i), Index: uint8(i), Fields: []Field{{Type: u8}}})
	}
	return b.structural("Era", Type{Path: []string{"sp_runtime", "generic", "era", "Era"}, Kind: KindVariant, Variants: vs})
}
