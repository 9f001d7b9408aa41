"""Intrinsics in Numba's form."""
from numba import types
from llvmlite import ir
from gatewise.kernels.values import *
from gatewise.kernels.values import FLOATS
from gatewise.kernels.arithmetic import Lanes, Mask
from gatewise.kernels.vectors import Vector
K={"float32":types.float32,"float64":types.float64,"int64":types.int64}
class Parts(tuple):
    @property
    def type(self):
        class T: elements=self
        return T
class B:
    pass
def kind(v):
    if isinstance(v,Array): return types.Array(K[v.dtype],len(v.shape),"C")
    if isinstance(v,Lanes): return Vector(types.float32 if isinstance(v.ir.type.element,ir.FloatType) else types.float64)
    if isinstance(v,Number):
        t=v.ir.type
        return types.int64 if t==I64 else types.boolean if t==I1 else types.float32 if isinstance(t,ir.FloatType) else types.float64
    if isinstance(v,tuple): return types.Tuple([kind(x) for x in v])
    if v is None: return types.none
    if isinstance(v,int): return types.int64
    if isinstance(v,float): return types.float64
    raise TypeError(v)
def lower(v):
    if isinstance(v,Array): return v
    if isinstance(v,tuple): return Parts(lower(x) for x in v)
    if v is None: return None
    if hasattr(v,"ir"): return v.ir
    if isinstance(v,float): return ir.Constant(ir.DoubleType(),v)
    return integer(v)
class Ctx:
    def make_array(self,kind): return lambda c,b,v: v
    def get_dummy_value(self): return None
    def make_tuple(self,b,t,vals): return Parts(vals)
    def get_data_type(self,d): return FLOATS[str(d)] if str(d) in FLOATS else I64
    def cast(self,b,v,a,to):
        t=FLOATS[str(to)]
        if v.type==t: return v
        if is_float(v.type): return b.fptrunc(v,t) if isinstance(t,ir.FloatType) else b.fpext(v,t)
        return b.sitofp(v,t)
def lift(k,v):
    if k==types.void or v is None: return None
    if isinstance(v,Array): return v
    if isinstance(k,Vector): return Lanes(v)
    if isinstance(k,types.BaseTuple): return tuple(lift(a,b) for a,b in zip(k,v))
    return Number(v)
class Builder:
    def __init__(s,b): s.b=b
    def __getattr__(s,n): return getattr(s.b,n)
    def extract_value(s,a,i): return a[i] if isinstance(a,tuple) else s.b.extract_value(a,i)
def emit(f,args):
    sig,code=f._defn(None,*[kind(a) for a in args])
    return lift(sig.return_type,code(Ctx(),Builder(current()),sig,[lower(a) for a in args]))
