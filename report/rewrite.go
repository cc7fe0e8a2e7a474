package report

import (
	"net/netip"
	"reflect"
)

// rewritten is a copy of v with every string and every address in it replaced,
// however deep: a field that is added later is not forgotten.
func rewritten(v reflect.Value, text func(string) string, addr func(netip.Addr) netip.Addr) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	if !v.CanInterface() { // inside of a type of others, which is a leaf
		return out
	}
	switch x := v.Interface().(type) {
	case netip.Addr:
		out.Set(reflect.ValueOf(addr(x)))
		return out
	case netip.AddrPort:
		out.Set(reflect.ValueOf(netip.AddrPortFrom(addr(x.Addr()), x.Port())))
		return out
	}
	again := func(v reflect.Value) reflect.Value { return rewritten(v, text, addr) }
	switch v.Kind() {
	case reflect.String:
		out.SetString(text(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(again(v.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(again(v.Field(i)))
			}
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(again(v.Index(i)))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(again(v.Index(i)))
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
			for key, value := range v.Seq2() {
				out.SetMapIndex(again(key), again(value))
			}
		}
	case reflect.Interface:
		if !v.IsNil() {
			out.Set(again(v.Elem()))
		}
	}
	return out
}
